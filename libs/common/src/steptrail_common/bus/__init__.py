"""Messages between services: one port, an in-process and a RabbitMQ adapter."""
