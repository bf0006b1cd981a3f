"""Alert rules: conditions as people write them (`conditions.py`), their terms, the stored rows (`loader.py`)."""
