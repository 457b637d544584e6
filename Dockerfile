# Two stages: the first makes the virtual environment, the second has nothing to build with. docs/how-to/docker.md

FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/switchroom
COPY requirements.lock ./
RUN /opt/switchroom/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY LICENSE README.md pyproject.toml ./
COPY src ./src
RUN /opt/switchroom/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/switchroom/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim
RUN groupadd --system --gid 990 switchroom \
    && useradd --system --uid 990 --gid switchroom --home-dir /var/lib/switchroom --no-create-home switchroom \
    && install -d -m 0750 -g switchroom /etc/switchroom \
    && install -d -m 0700 -o switchroom -g switchroom /var/lib/switchroom
COPY --from=build /opt/switchroom /opt/switchroom
COPY contrib/docker/healthy /usr/local/bin/healthy
ENV PATH=/opt/switchroom/bin:$PATH PYTHONDONTWRITEBYTECODE=1 SWITCHROOM_URL=http://127.0.0.1:8088
USER switchroom
VOLUME /var/lib/switchroom
EXPOSE 8088/tcp 5060/udp 5060/tcp
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 CMD ["healthy"]
ENTRYPOINT ["switchroom"]
CMD ["run", "--config", "/etc/switchroom", "--state", "/var/lib/switchroom"]
