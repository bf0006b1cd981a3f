"""Writes samples to a Parquet file in parts. Only this module needs the extra `parquet` (pyarrow)."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from core.errors import RtsError
from core.metrics import BY_NAME

ROWS_OF_A_GROUP = 50_000  # about 4 MB: less makes a file that is slow to read, more is held in memory


class ParquetMissingError(RtsError):
    """Parquet requires pyarrow, which this server lacks: install the extra `parquet`, or use csv or jsonl."""

    code: ClassVar[str] = "parquet_missing"
    status: ClassVar[int] = 501


class Parts(io.RawIOBase):
    """A file to write to whose bytes are taken as they come; positions count from its beginning all the same."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._length = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._length

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._length += len(part)
        return len(part)

    def take(self) -> bytes:
        """Return the bytes written since the last call."""
        content, self._parts = b"".join(self._parts), []
        return content


class ParquetWriter:
    """Turns pages of rows into the bytes of one file; raises ParquetMissingError when pyarrow isn't installed."""

    def __init__(self, columns: Sequence[str]) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise ParquetMissingError from None
        self._arrow, self._columns = pyarrow, columns
        self._schema = pyarrow.schema([(name, self._type_of(name)) for name in columns])
        self._file = Parts()
        self._writer = pyarrow.parquet.ParquetWriter(self._file, self._schema, compression="zstd")
        self._rows: list[Mapping[str, Any]] = []

    def add(self, rows: Sequence[Mapping[str, Any]]) -> bytes:
        """Return the next bytes of the file that are complete with these rows, often none."""
        self._rows.extend(rows)
        if len(self._rows) >= ROWS_OF_A_GROUP:
            self._write()
        return self._file.take()

    def end(self) -> bytes:
        """Return the rest of the file."""
        self._write()
        self._writer.close()
        return self._file.take()

    def _write(self) -> None:
        if self._rows:
            columns = [[row[name] for row in self._rows] for name in self._columns]
            arrays = [
                self._arrow.array(values, field.type) for values, field in zip(columns, self._schema, strict=True)
            ]
            self._writer.write_batch(self._arrow.record_batch(arrays, schema=self._schema))
            self._rows = []

    def _type_of(self, name: str) -> Any:
        if name == "collected_at":
            return self._arrow.timestamp("us", tz="UTC")
        if name not in BY_NAME:
            return self._arrow.string()
        return self._arrow.int64() if BY_NAME[name].whole else self._arrow.float64()
