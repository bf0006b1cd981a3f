"""Requests of each kind that a device sends, odd in many ways, made from a seeded generator."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import urlsplit

from tests.fuzz.values import altered, as_json, damaged, odd_value, packed
from tests.protocols.captures import CLIENTS, Capture, captures_of

JSON = {"Content-Type": "application/json"}
AGENT = "/api/agents/{agent_id}"


@dataclass(frozen=True)
class Call:
    """One request of the fuzzer; `{agent_id}` in the path stands for the device."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def recent(rng: Random) -> str:
    """Return a time of the last days; the seconds differ, so that most samples are new ones."""
    return (datetime.now(UTC) - timedelta(seconds=rng.randrange(20 * 86_400))).isoformat()


def good_sample(rng: Random) -> dict[str, Any]:
    """Return a sample that uses every field of the protocol."""
    whole = {
        "collected_at": recent(rng), "cpu_percent": rng.uniform(0, 100), "memory_used_gb": 6.1, "memory_percent": 38.2,
        "disk_used_gb": 120.4, "disk_percent": 47, "load_average": [0.4, 0.5, 0.6],
        "uptime_seconds": rng.randrange(10**6), "network_rx_bytes": rng.randrange(10**12), "network_tx_bytes": 5,
        "services": [{"name": rng.choice(("Spooler", "nginx")), "status": "running", "pid": rng.randrange(10**5)}],
        "disks": [{"name": "C:", "type": "NTFS", "percent": 47, "used_bytes": 120, "size_bytes": 256}],
        "interfaces": [{"name": "eth0", "rx_bytes": rng.randrange(10**9), "tx_bytes": 4}],
        "sensors": [{"name": "cpu", "celsius": 54.5}],
        "series": [{"metric": "custom.queue", "instance": "mail", "value": 3, "unit": "messages"}],
        "vendor_field": {"a": [1, "b"]},
    }  # fmt: skip
    return {name: value for name, value in whole.items() if name == "collected_at" or rng.random() < 0.6}


def upload(rng: Random) -> Call:
    """An upload by the protocol's grammar, parts of it altered."""
    whole: Any = {"metrics": [good_sample(rng) for _ in range(rng.randrange(1, 6))]}
    body, headers = packed(rng, as_json(rng, altered(rng, whole, rng.choice((0.0, 0.02, 0.1)))))
    return Call(f"{AGENT}/metrics", body, headers)


def upload_bytes(rng: Random) -> Call:
    """An upload in order, its bytes damaged; one in ten is nothing but random bytes."""
    body = as_json(rng, {"metrics": [good_sample(rng) for _ in range(rng.randrange(1, 4))]})
    body = rng.randbytes(rng.randrange(200)) if rng.random() < 0.1 else damaged(rng, body)
    body, headers = packed(rng, body)
    return Call(f"{AGENT}/metrics", body, headers)


def json_call(path: str, make: Callable[[Random], dict[str, Any]]) -> Callable[[Random], Call]:
    """Return the maker of a call whose body is a JSON object."""

    def call(rng: Random) -> Call:
        whole = altered(rng, make(rng), rng.choice((0.0, 0.05, 0.3)))
        body = as_json(rng, whole)
        if rng.random() < 0.2:
            body = damaged(rng, body)
        return Call(path, body, JSON if rng.random() < 0.9 else {"Content-Type": str(rng.choice(("", "text/plain")))})

    return call


def heartbeat(rng: Random) -> dict[str, Any]:
    """A heartbeat in order."""
    return {
        "timestamp": recent(rng), "status": "online", "agent_version": "1.4.2", "hostname": "front-desk-1",
        "os_version": "11", "os_architecture": "x86_64", "ip_address": "192.0.2.17", "mac_address": "00:00:5e:00:53:17",
    }  # fmt: skip


def registration(rng: Random) -> dict[str, Any]:
    """A registration whose token no one made: the body is read, and refused at the latest by the database."""
    facts = heartbeat(rng) | {"os_type": "windows", "cpu_model": "Xeon", "total_memory_gb": 16, "total_disk_gb": 512}
    token = "AGT-" + "-".join("".join(rng.choices("ABCDEFGHJKMNPQRSTUVWXYZ23456789", k=4)) for _ in range(3))
    return {"token": token} | ({"system_info": facts} if rng.random() < 0.3 else facts)


def inventory(rng: Random) -> dict[str, Any]:
    """A list of software in order."""
    software = [
        {"software_name": f"Program {rng.randrange(50)}", "software_version": f"{rng.randrange(9)}.1", "vendor": "V",
         "install_date": "2026-04-30", "software_type": "application", "is_security_software": rng.random() < 0.5}
        for _ in range(rng.randrange(1, 8))
    ]  # fmt: skip
    whole = {"collected_at": recent(rng), "mode": rng.choice(("full", "delta")), "software": software}
    return whole | ({"removed": software[:1]} if rng.random() < 0.3 else {})


def event(rng: Random) -> dict[str, Any]:
    """An event in order."""
    return {"event_type": "service_crashed", "timestamp": recent(rng), "data": {"exit_code": odd_value(rng)}}


CAPTURES = [capture for client in CLIENTS for capture in captures_of(client)]


def foreign(end: str) -> Callable[[Random], Call]:
    """Return the maker of uploads that real clients sent to paths with this end, most of them with damaged bytes."""
    of_path = [capture for capture in CAPTURES if urlsplit(capture.path).path.endswith(end)]
    assert of_path, end

    def call(rng: Random) -> Call:
        capture = rng.choice(of_path)
        path = capture.path.replace("AGENT", "{agent_id}").partition("?token=")[0]
        body = capture.body if rng.random() < 0.05 else damaged(rng, capture.body)
        return Call(path, body, kept_headers(rng, capture))

    return call


def kept_headers(rng: Random, capture: Capture) -> dict[str, str]:
    """Return the headers that say what a body is; one in twenty says something else."""
    kept: dict[str, str] = {
        name: capture.headers[name] for name in ("content-type", "content-encoding") if name in capture.headers
    }
    if rng.random() < 0.05:
        kept["content-type"] = rng.choice(("application/json", "text/plain", "application/x-protobuf", "x/y;proto="))
    return kept


def line(rng: Random) -> str:
    """Return one line of the Influx line protocol, often not in order."""
    measurement = rng.choice(("cpu", "mem", "disk", "net", "system", "swap", "temp", "win_cpu", "x\\ y", "", "#c"))
    tags = "".join(f",{rng.choice(('cpu', 'path', 'host', 'interface', ''))}={rng.choice(TAGS)}" for _ in range(2))
    fields = ",".join(f"{rng.choice(FIELDS)}={rng.choice(VALUES)}" for _ in range(rng.randrange(4)))
    at = int(datetime.fromisoformat(recent(rng)).timestamp()) * rng.choice((1, 1, 1, 10**9, -1, 10**30))
    return f"{measurement}{tags} {fields} {at}{'9' * rng.choice((0, 0, 0, 9, 5000))}"


TAGS = ("cpu-total", "/", "eth0", "lo", "a\\,b", "", '"', "Ü", "x" * 400)
FIELDS = ("usage_idle", "used", "total", "free", "available", "bytes_recv", "uptime", "load1", "", "a\\=b")
VALUES = ("1", "1i", "-5i", "9" * 30 + "i", "1e999", "NaN", "true", '"text"', '"open', "", "5u", "--1", "0x10", "1_0")


def influx_grammar(rng: Random) -> Call:
    """Lines of the Influx protocol."""
    body = "\n".join(line(rng) for _ in range(rng.randrange(1, 20))).encode()
    if rng.random() < 0.3:
        at = int(datetime.fromisoformat(recent(rng)).timestamp())
        body = f"cpu,cpu=cpu-total usage_idle={rng.uniform(0, 100)} {at}".encode()
    precision = rng.choice(("s", "s", "s", "ns", "ms", "us", "h", "", "x"))
    return Call(f"/api/v2/write?precision={precision}", *packed(rng, body))


KINDS: dict[str, Callable[[Random], Call]] = {
    "upload": upload,
    "upload bytes": upload_bytes,
    "heartbeat": json_call(f"{AGENT}/heartbeat", heartbeat),
    "register": json_call("/api/agents/register", registration),
    "inventory": json_call(f"{AGENT}/inventory/software", inventory),
    "events": json_call(f"{AGENT}/events", event),
    "influx": influx_grammar,
    "influx bytes": foreign("/api/v2/write"),
    "otlp": foreign("/v1/metrics"),
    "remote write": foreign("/api/v1/write"),
    "collectd": foreign("/collectd"),
}
