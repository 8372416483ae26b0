{{/*
Startup waits for a slow first start, readiness takes a pod that can't serve out of the endpoints, liveness restarts a
process that no longer answers. Liveness never asks about dependencies: a restart does not bring a database back.
*/}}
{{- define "axbridge.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: {{ .facts.healthPortName }}}
  periodSeconds: 1
  timeoutSeconds: 2
  failureThreshold: 60
readinessProbe:
  httpGet: {path: /readyz, port: {{ .facts.healthPortName }}}
  periodSeconds: 3
  timeoutSeconds: 2
  failureThreshold: 2
livenessProbe:
  httpGet: {path: /livez, port: {{ .facts.healthPortName }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
{{- end -}}
