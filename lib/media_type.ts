/** Manifest types, and what a client says it accepts (RFC 9110 section 12.5.1). */

/**
 * Every manifest type that a registry may hold. Sent whole upstream, for a narrow list makes some
 * registries convert or hide what they hold.
 */
export const FULL_ACCEPT = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.v1+prettyjws",
  "application/vnd.docker.distribution.manifest.v1+json",
  "application/vnd.oci.artifact.manifest.v1+json",
  "*/*",
].join(", ");

/**
 * Whether an Accept header admits a type. No header, or an empty one, admits everything. Docker
 * sends several header lines, which arrive here joined by commas.
 */
export function isAccepted(accept: string | null, mediaType: string): boolean {
  if (accept === null || accept.trim() === "") return true;
  const [type] = mediaType.split("/");
  return accept.split(",").some((item) => {
    const [range = "", ...parameters] = item.split(";").map((part) => part.trim().toLowerCase());
    if (parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))) return false;
    return range === "*/*" || range === `${type}/*` || range === mediaType.toLowerCase();
  });
}

/** Whether a Content-Type is JSON's, or that of a format made of it (RFC 6839 section 3.1). */
export function isJson(mediaType: string | null): boolean {
  return /^application\/([\w.+-]+\+)?json\b/i.test(mediaType ?? "");
}

/** Types of signed schema 1 manifests, whose digest is not that of their bytes. */
export function isSignedSchema1(mediaType: string): boolean {
  return mediaType === "application/vnd.docker.distribution.manifest.v1+prettyjws" ||
    mediaType === "application/json";
}
