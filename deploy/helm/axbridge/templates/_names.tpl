{{/* The prefix of all names: at most 40 characters, so that the longest name stays a DNS label. */}}
{{- define "axbridge.prefix" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The labels that pods are selected by. Never changed between versions: a Deployment's selector is immutable. */}}
{{- define "axbridge.selectorLabels" -}}
app.kubernetes.io/name: axbridge
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* All labels of an object; `component` may be empty for what belongs to the release as a whole. */}}
{{- define "axbridge.labels" -}}
app.kubernetes.io/name: axbridge
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- if .component }}
app.kubernetes.io/component: {{ .component }}
{{- end }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: axbridge
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name (.root.Chart.Version | replace "+" "_") }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "axbridge.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
What is different about the three services, as YAML. `port` is the container's, `module` what the image runs, `prefix`
that of the environment variables. Probes ask over HTTP everywhere: the gRPC services say how they are on a port of its
own, since a kubelet's gRPC probe knows neither TLS nor credentials. Metrics are on a port of their own everywhere, which
only Prometheus is let to.
*/}}
{{- define "axbridge.components" -}}
gateway: {module: gateway, prefix: AXBRIDGE_GATEWAY_, portName: http, port: 8080, healthPortName: http, metricsPort: 9464}
routing: {module: routing_service, prefix: AXBRIDGE_ROUTING_, portName: grpc, port: 50051, healthPortName: health, healthPort: 8081, metricsPort: 9464}
events: {module: event_service, prefix: AXBRIDGE_EVENTS_, portName: grpc, port: 50052, healthPortName: health, healthPort: 8081, metricsPort: 9464}
{{- end -}}

{{- define "axbridge.serviceAccountName" -}}
{{- if .root.Values.serviceAccount.create -}}
{{- printf "%s-%s" (include "axbridge.prefix" .root) .component -}}
{{- else -}}
{{- required "serviceAccount.existingName is needed when serviceAccount.create is false" .root.Values.serviceAccount.existingName -}}
{{- end -}}
{{- end -}}

{{/* The Secret with the databases' URLs, and the one with Redis' URL. */}}
{{- define "axbridge.databaseSecret" -}}
{{- default (printf "%s-database" (include "axbridge.prefix" .)) .Values.database.existingSecret -}}
{{- end -}}
{{- define "axbridge.redisSecret" -}}
{{- default (printf "%s-redis" (include "axbridge.prefix" .)) .Values.redis.existingSecret -}}
{{- end -}}

{{/* The Secret with a service's certificate. */}}
{{- define "axbridge.tlsSecret" -}}
{{- $given := index .root.Values.tls.secrets .component -}}
{{- if $given -}}
{{- $given -}}
{{- else if .root.Values.tls.certManager.enabled -}}
{{- printf "%s-%s-tls" (include "axbridge.prefix" .root) .component -}}
{{- else -}}
{{- fail (printf "tls.secrets.%s is needed when tls.enabled is true and tls.certManager.enabled is false" .component) -}}
{{- end -}}
{{- end -}}
