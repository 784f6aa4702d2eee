"""What an operator can measure: metrics for Prometheus, and traces for OpenTelemetry.

metrics.py     every metric: name, kind, labels and their values   recorder.py    counts, for one process
sheet.py       the numbers of all processes, in shared memory      exposition.py  the text that Prometheus reads
requests.py    an ASGI middleware that counts requests             tracing.py     spans (only with the extra `otel`)
"""
