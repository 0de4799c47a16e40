"""RESP, the wire protocol, without sockets, clocks or keyspace.

Bytes go in and requests come out (`parser`); values go in and bytes come out (`reply`), for RESP2 and RESP3. Both
work on C memory that somebody else owns, so a worker thread uses them without a thread state; the classes `Parser`
and `Encoder` wrap the same code for tests and tools. What is accepted, and the text of each refusal, is that of
redis-server 8.0, kept by `tests/conformance/test_protocol_errors_oracle.py`.
"""
