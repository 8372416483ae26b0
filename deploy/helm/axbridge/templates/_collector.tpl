{{/* The OpenTelemetry collector's configuration: tail sampling by trace. */}}
{{- define "axbridge.collectorConfig" -}}
{{- with .Values.collector -}}
extensions:
  health_check: {endpoint: "0.0.0.0:13133"}
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "0.0.0.0:4317"}
      http: {endpoint: "0.0.0.0:4318"}
processors:
  memory_limiter: {check_interval: 1s, limit_percentage: 80, spike_limit_percentage: 20}
  tail_sampling:
    # Counted from a trace's first span: a call's query and answer lie within it, its last event may not.
    decision_wait: {{ .decisionWaitSeconds }}s
    num_traces: 200000
    policies:
      - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
      - {name: slow, type: latency, latency: {threshold_ms: {{ .keepSlowerThanMilliseconds }}}}
      - {name: share, type: probabilistic, probabilistic: {sampling_percentage: {{ .keepPercent }}}}
  batch: {timeout: 2s}
exporters:
  otlp:
    endpoint: {{ .exportEndpoint | quote }}
    tls: {insecure: {{ .exportInsecure }}}
service:
  extensions: [health_check]
  pipelines:
    traces: {receivers: [otlp], processors: [memory_limiter, tail_sampling, batch], exporters: [otlp]}
{{- end -}}
{{- end -}}
