"""Settings of quotas: what one device and one business may store in a day; 0 sets no limit."""

from pydantic import Field
from pydantic_settings import BaseSettings

GIB = 1024**3


class QuotaSettings(BaseSettings):
    """The part of `Settings` that bounds devices and businesses. A day's amounts count per server, in memory."""

    device_samples_per_day: int = Field(default=500_000, ge=0, description="new samples of one device; 0: no limit")
    business_samples_per_day: int = Field(
        default=100_000_000, ge=0, description="new samples of one business, per server; 0: no limit"
    )
    device_bytes_per_day: int = Field(
        default=GIB, ge=0, description="bodies of one device's uploads, lists and events, unpacked; 0: no limit"
    )
    business_bytes_per_day: int = Field(
        default=100 * GIB, ge=0, description="the same for one business, per server; 0: no limit"
    )
    device_events_per_day: int = Field(default=2000, ge=0, description="events of one device; 0: no limit")
    business_events_per_day: int = Field(
        default=200_000, ge=0, description="events of one business, per server; 0: no limit"
    )
    device_software_per_day: int = Field(
        default=50_000, ge=0, description="new entries in the software of one device; 0: no limit"
    )
    business_software_per_day: int = Field(
        default=5_000_000, ge=0, description="the same for one business, per server; 0: no limit"
    )
    device_services: int = Field(default=1000, ge=1, description="services stored per device")
    device_pending_commands: int = Field(
        default=200, ge=1, description="commands that may wait for one device; more are refused"
    )
