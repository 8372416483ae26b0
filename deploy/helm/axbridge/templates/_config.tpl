{{/* The environment variables of a service that are no secret, as YAML. */}}
{{- define "axbridge.config" -}}
{{- $prefix := .facts.prefix -}}
{{- $values := index .root.Values .component -}}
{{- $names := include "axbridge.prefix" .root -}}
{{ $prefix }}LISTEN: {{ printf "0.0.0.0:%v" .facts.port | quote }}
{{ $prefix }}DRAIN_SECONDS: {{ $values.drainSeconds | quote }}
{{ $prefix }}LOG_LEVEL: {{ .root.Values.logging.level }}
{{ $prefix }}LOG_FORMAT: {{ .root.Values.logging.format }}
{{ $prefix }}METRICS_LISTEN: {{ printf "0.0.0.0:%v" .facts.metricsPort | quote }}
{{- with include "axbridge.traceEndpoint" .root }}
{{ $prefix }}TRACE_EXPORTER: {{ printf "otlp-%s" $.root.Values.tracing.protocol }}
{{ $prefix }}OTLP_ENDPOINT: {{ . | quote }}
{{- if include "axbridge.traceHeadersSecret" $.root }}
{{ $prefix }}OTLP_HEADERS_FILE: /etc/axbridge/trace-headers/headers
{{- end }}
{{- end }}
{{- if eq .component "gateway" }}
{{ $prefix }}ROUTING_TARGET: {{ default (printf "dns:///%s-routing-headless:50051" $names) $values.routingTarget | quote }}
{{ $prefix }}EVENTS_TARGET: {{ default (printf "dns:///%s-events-headless:50052" $names) $values.eventsTarget | quote }}
{{- else }}
{{ $prefix }}HEALTH_LISTEN: {{ printf "0.0.0.0:%v" .facts.healthPort | quote }}
{{ $prefix }}MAX_CONNECTION_AGE_SECONDS: {{ $values.maxConnectionAgeSeconds | quote }}
{{- if eq .component "routing" }}
{{ $prefix }}MIGRATE_AT_START: "no"
{{- end }}
{{- if and (eq .component "routing") .root.Values.encryption.masterKeySecret }}
{{ $prefix }}MASTER_KEY_FILE: /etc/axbridge/encryption/master-key
{{- else if and (eq .component "events") .root.Values.encryption.webhooksKeySecret }}
{{ $prefix }}WEBHOOKS_KEY_FILE: /etc/axbridge/encryption/webhooks-key
{{- end }}
{{- if .root.Values.credentials.existingSecret }}
{{ $prefix }}CREDENTIALS_FILE: /etc/axbridge/credentials/credentials.toml
{{ $prefix }}API_KEY_PEPPER_FILE: /etc/axbridge/credentials/pepper
{{- end }}
{{- end }}
{{- $guarded := and .root.Values.tls.enabled .root.Values.credentials.existingSecret }}
{{- if eq .component "gateway" }}
{{- $guarded = $values.accessSecret }}
{{ $prefix }}LAME_DUCK_SECONDS: {{ $values.lameDuckSeconds | quote }}
{{- if $values.accessSecret }}
{{ $prefix }}ACCESS_FILE: /etc/axbridge/access/access.toml
{{- end }}
{{- if $values.apiKeySecret }}
{{ $prefix }}API_KEY_FILE: /etc/axbridge/api-key/api-key
{{- end }}
{{- end }}
{{- if not $guarded }}
{{- /* The services refuse to listen beyond loopback unguarded; here the network policies are the guard. */}}
{{ $prefix }}INSECURE: "true"
{{- end }}
{{- if .root.Values.tls.enabled }}
{{ $prefix }}TLS_CERT_FILE: /etc/axbridge/tls/tls.crt
{{ $prefix }}TLS_KEY_FILE: /etc/axbridge/tls/tls.key
{{- if or (eq .component "gateway") .root.Values.tls.clientCertificates }}
{{ $prefix }}TLS_CA_FILE: /etc/axbridge/tls/ca.crt
{{- else if not .root.Values.gateway.apiKeySecret }}
{{- fail "gateway.apiKeySecret is needed when tls.clientCertificates is false: by what else are the gateways known" }}
{{- end }}
{{- end }}
{{- range $name, $value := $values.settings }}
{{ $prefix }}{{ upper $name }}: {{ include "axbridge.setting" $value | quote }}
{{- end }}
{{- end -}}

{{/* Where spans go: our own collector when it is on. Empty: nowhere. */}}
{{- define "axbridge.traceEndpoint" -}}
{{- if .Values.collector.enabled -}}
{{- printf "http://%s-collector:%s" (include "axbridge.prefix" .) (ternary "4317" "4318" (eq .Values.tracing.protocol "grpc")) -}}
{{- else -}}
{{- .Values.tracing.endpoint -}}
{{- end -}}
{{- end -}}

{{/* The Secret with what a receiver elsewhere asks for; our own asks for nothing. */}}
{{- define "axbridge.traceHeadersSecret" -}}
{{- if and .Values.tracing.endpoint (not .Values.collector.enabled) -}}
{{- .Values.tracing.headersSecret -}}
{{- end -}}
{{- end -}}

{{/* A setting as an environment variable: lists separated by commas, large numbers without an exponent. */}}
{{- define "axbridge.setting" -}}
{{- if kindIs "slice" . -}}
{{- join "," . -}}
{{- else if kindIs "float64" . -}}
{{- if eq (floor .) . -}}{{- int64 . -}}{{- else -}}{{- . -}}{{- end -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}
