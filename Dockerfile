# syntax=docker/dockerfile:1
FROM node:22-bookworm-slim AS dashboard
WORKDIR /src/dashboard
COPY dashboard/package.json dashboard/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY dashboard/ ./
COPY bridge/push/src/rest/openapi.json ../bridge/push/src/rest/
RUN npm run build

FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
COPY --from=dashboard /src/dashboard/dist dashboard/dist
RUN cargo build --release --locked --package tidegate --package tidegate-sim

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/tidegate tidegate
COPY --from=build /src/target/release/tidegate /src/target/release/tidegate-sim /usr/local/bin/
USER tidegate
VOLUME /var/lib/tidegate
EXPOSE 1883 8080
STOPSIGNAL SIGTERM
# The container's network is the closed one: publish its ports on loopback, or put something in front that asks who connects.
ENTRYPOINT ["tidegate", "--data", "/var/lib/tidegate/data", "--mqtt", "0.0.0.0:1883", "--http", "0.0.0.0:8080", "--insecure-allow-anonymous"]
