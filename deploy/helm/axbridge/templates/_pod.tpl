{{/* What Pod Security "restricted" asks for, and a little more. Any user id works. */}}
{{- define "axbridge.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}
{{/* The same for the public database images, which know one user of their own. */}}
{{- define "axbridge.databaseSecurityContext" -}}
{{- include "axbridge.podSecurityContext" . | replace "65532" "999" -}}
{{- end -}}
{{- define "axbridge.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Spread over zones, then over nodes; nodes without a pod of the same service are preferred. */}}
{{- define "axbridge.spread" -}}
{{- $values := index .root.Values .component -}}
{{- if .root.Values.topologySpread.enabled }}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: {{ $.root.Values.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "axbridge.selectorLabels" $ | nindent 8 }}
  {{- end }}
{{- end }}
affinity:
{{- if $values.affinity }}
  {{- toYaml $values.affinity | nindent 2 }}
{{- else }}
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "axbridge.selectorLabels" . | nindent 14 }}
{{- end }}
{{- end -}}

{{/* The environment that comes out of Secrets. */}}
{{- define "axbridge.secretEnv" -}}
{{- if ne .component "gateway" }}
- name: {{ .prefix }}DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "axbridge.databaseSecret" .root }}
      key: {{ index .root.Values.database (printf "%sUrlKey" .component) }}
{{- end }}
{{- if .root.Values.redis.enabled }}
{{- range (ternary (list "REDIS_URL" "LIMITS_REDIS_URL") (list "LIMITS_REDIS_URL") (eq .component "routing")) }}
- name: {{ $.prefix }}{{ . }}
  valueFrom:
    secretKeyRef:
      name: {{ include "axbridge.redisSecret" $.root }}
      key: {{ $.root.Values.redis.urlKey }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The Secrets that say who may call, and as whom we call and report, by the name of their folder. */}}
{{- define "axbridge.guardSecrets" -}}
{{- with include "axbridge.traceHeadersSecret" .root }}
trace-headers: {{ . }}
{{- end }}
{{- if eq .component "gateway" }}
{{- with .root.Values.gateway }}
{{- with .accessSecret }}
access: {{ . }}
{{- end }}
{{- with .apiKeySecret }}
api-key: {{ . }}
{{- end }}
{{- end }}
{{- else }}
{{- with .root.Values.credentials.existingSecret }}
credentials: {{ . }}
{{- end }}
{{- with (ternary .root.Values.encryption.masterKeySecret .root.Values.encryption.webhooksKeySecret (eq .component "routing")) }}
encryption: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The files that a service reads, as volumes and mounts. */}}
{{- define "axbridge.volumes" -}}
- name: tmp
  emptyDir: {medium: Memory, sizeLimit: 16Mi}
{{- if .root.Values.tls.enabled }}
- name: tls
  secret:
    secretName: {{ include "axbridge.tlsSecret" . }}
    defaultMode: 0440
    optional: false
{{- end }}
{{- range $name, $secret := fromYaml (include "axbridge.guardSecrets" .) }}
- name: {{ $name }}
  secret:
    secretName: {{ $secret }}
    defaultMode: 0440
    optional: false
{{- end }}
{{- end -}}
{{- define "axbridge.volumeMounts" -}}
- name: tmp
  mountPath: /tmp
{{- if .root.Values.tls.enabled }}
- name: tls
  mountPath: /etc/axbridge/tls
  readOnly: true
{{- end }}
{{- range $name, $_ := fromYaml (include "axbridge.guardSecrets" .) }}
- name: {{ $name }}
  mountPath: /etc/axbridge/{{ $name }}
  readOnly: true
{{- end }}
{{- end -}}
