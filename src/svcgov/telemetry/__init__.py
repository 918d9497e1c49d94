"""The windows: what others are told about calls. Nothing here can fail or delay a call."""
