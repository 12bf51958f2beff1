"""The stores on MongoDB, majority writes.

A process is one document with its newest revision and the events not yet published, so that a save is one atomic
update. Before a revision is replaced it is copied to `revisions`; doing that twice changes nothing.
"""

from steptrail_catalog.adapters.mongo.connections import MongoConnectionStore
from steptrail_catalog.adapters.mongo.database import MongoCatalog
from steptrail_catalog.adapters.mongo.processes import MongoProcessStore
from steptrail_catalog.adapters.mongo.relay import MongoRelay

__all__ = ["MongoCatalog", "MongoConnectionStore", "MongoProcessStore", "MongoRelay"]
