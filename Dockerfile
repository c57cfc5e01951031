FROM denoland/deno:2.9.6

WORKDIR /app
COPY deno.json deno.lock ./
COPY main.ts ./
COPY lib ./lib
# Dependencies are fetched and checked against the lock file now, so that a start needs no network.
# The cache folder exists before VOLUME, so that a new volume belongs to the user that writes to it.
RUN deno cache --frozen main.ts \
  && mkdir /cache \
  && chown -R deno:deno /app /cache "${DENO_DIR}"

USER deno
ENV CACHE_DIR=/cache
VOLUME /cache
EXPOSE 8080
STOPSIGNAL SIGTERM

HEALTHCHECK --interval=30s --timeout=6s --start-period=10s \
  CMD ["deno", "run", "--cached-only", "--no-prompt", "--allow-net", "--allow-read", "--allow-env", "--deny-run", "--deny-ffi", "main.ts", "health-check"]

# The permissions of `deno task start`.
ENTRYPOINT ["/tini", "--", "deno", "run", "--v8-flags=--max-semi-space-size=4", "--cached-only", "--no-prompt", "--allow-net", "--deny-net=169.254.0.0/16,[fd00:ec2::254],100.100.100.200,168.63.129.16", "--allow-read", "--allow-write", "--allow-env", "--allow-sys=statfs", "--deny-run", "--deny-ffi", "main.ts"]
CMD ["serve"]
