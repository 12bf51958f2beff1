import { Icon, type IconName } from "@/components/Icon";

const SIGN: Record<string, IconName> = { http: "globe", files: "file", sftp: "terminal", s3: "cloud", gcs: "cloud", azure_blob: "cloud" };

export function KindIcon({ kind, size = 16 }: { kind: string; size?: number }) {
  return <Icon name={SIGN[kind] ?? "database"} size={size} />;
}
