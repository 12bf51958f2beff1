"""The composition of the embedded topology: every service in one process, on an in-process bus, each with its own
SQLite file. The only code that imports more than one service."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx2
from pydantic import SecretStr

import steptrail_catalog.config
import steptrail_catalog.service
import steptrail_crawler.config
import steptrail_crawler.service
import steptrail_dbprobe.config
import steptrail_dbprobe.service
import steptrail_gateway.config
import steptrail_gateway.service
import steptrail_notifier.config
import steptrail_notifier.service
import steptrail_orchestrator.config
import steptrail_orchestrator.service
import steptrail_reporting.config
import steptrail_reporting.service
from steptrail_common.bus import connect
from steptrail_common.bus.inprocess import InProcessBroker
from steptrail_common.service import Service, running
from steptrail_common.web import ServiceClient
from steptrail_embedded.paths import DataFolder
