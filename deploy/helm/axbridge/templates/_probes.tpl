{{/*
Startup waits for a slow first start, readiness takes a pod that can't serve out of the endpoints, liveness restarts a
process that no longer answers. Liveness never asks about dependencies: a restart does not bring a database back.
*/}}
{{- define "axbridge.probes" -}}
{{- if eq .component "gateway" -}}
startupProbe:
  httpGet: {path: /livez, port: http}
  periodSeconds: 1
  failureThreshold: 60
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 3
  timeoutSeconds: 2
  failureThreshold: 2
livenessProbe:
  httpGet: {path: /livez, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
{{- else -}}
startupProbe:
  grpc: {port: {{ .facts.port }}}
  periodSeconds: 1
  failureThreshold: 60
readinessProbe:
  grpc: {port: {{ .facts.port }}}
  periodSeconds: 3
  timeoutSeconds: 2
  failureThreshold: 2
livenessProbe:
  tcpSocket: {port: grpc}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
{{- end -}}
{{- end -}}
