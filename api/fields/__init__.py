"""Types of single fields in requests: text, times, JSON values, filters, cursors."""
