"""The API's documentation as OpenAPI 3.1, ``/ari/api-docs/openapi.json``: made from the route table and the models of
``docs``, as Swagger 1.1 is, so that the two and the router can not differ.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import switchroom
from switchroom.ari.call import FORM_TYPE, JSON_TYPE
from switchroom.ari.docs import EVENTS, RESOURCES, common_fields, models
from switchroom.ari.routes import TABLE, Parameter, Route

Schema = dict[str, Any]

NAME = "openapi.json"

#: As ``render.timestamp`` writes it: the zone has no colon, so it is no RFC 3339.
_TIMESTAMP = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}[+-]\d{4}$"

_TYPES: dict[str, Schema] = {
    "string": {"type": "string"},
    "Date": {"type": "string", "pattern": _TIMESTAMP},
    "int": {"type": "integer"},
    "long": {"type": "integer"},
    "double": {"type": "number"},
    "boolean": {"type": "boolean"},
    "object": {"type": "object"},
    "containers": {"type": "object", "additionalProperties": {"type": "string"}},
}

#: What any operation may answer, whatever it does.
_ALWAYS = (
    (400, "A parameter can not be used"),
    (401, "Authentication required"),
    (403, "The user, its address or the web page may not do this"),
    (503, "Too much at a time"),
)
_WITH_BODY = ((408, "The request body takes too long"), (413, "Request body too large"))
_WITH_PATH = ((404, "Resource not found"),)


def document(base: str | None) -> Schema:
    """The document; ``base`` is the API's address as the client wrote it, None when it is not known."""
    return {**_DOCUMENT, "servers": [{"url": base or ".."}]}


def _build(table: tuple[Route, ...]) -> Schema:
    paths: dict[str, Schema] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Switchroom",
            "summary": "Endpoints over the Asterisk REST Interface: lists them, sends them texts, refers them.",
            "version": switchroom.__version__,
        },
        "security": [{"basic": []}, {"api_key": []}],
        "tags": [{"name": name, "description": text} for name, text in RESOURCES.items()],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "api_key": {
                    "type": "apiKey",
                    "in": "query",
                    "name": "api_key",
                    "description": "user:password, for clients that can not send headers",
                },
            },
        },
    }


# ---- operations


def _operation(route: Route) -> Schema:
    resource = route.path.split("/")[1]
    operation: Schema = {
        "tags": [resource],
        "operationId": f"{resource}_{route.nickname}",
        "summary": route.summary,
        "parameters": [_parameter(p) for p in route.parameters if p.place != "body"],
        "responses": _responses(route),
    }
    if route.method != "GET":
        body = _body(route)
        if body:
            operation["requestBody"] = {"required": False, "content": body}
    return operation


def _parameter(parameter: Parameter) -> Schema:
    described: Schema = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "required": parameter.required,
        "schema": _parameter_schema(parameter),
    }
    if parameter.multiple:
        described |= {"style": "form", "explode": False}
    return described


def _parameter_schema(parameter: Parameter) -> Schema:
    schema = {**_TYPES[parameter.type], **(parameter.schema or {})}
    if parameter.values:
        schema["enum"] = list(parameter.values)
    if parameter.place == "path":
        schema.setdefault("minLength", 1)
    if parameter.multiple:
        schema = {"type": "array", "items": schema, "maxItems": 127}
    if parameter.required and parameter.place == "query":
        schema.setdefault("minItems" if parameter.multiple else "minLength", 1)
    if parameter.default is not None:
        schema["default"] = parameter.default
    return schema


def _body(route: Route) -> Schema:
    """Parameters may come as keys of a JSON object or of a form, too; those of place ``body`` in JSON only."""
    query = {p.name: _described(p) for p in route.parameters if p.place == "query"}
    only = {p.name: _described(p) for p in route.parameters if p.place == "body"}
    if "filter" in only:  # the body itself
        return {JSON_TYPE: {"schema": only["filter"]}}
    json: Schema = {"type": "object", "properties": query | only}
    if route.nickname.startswith("sendMessage"):
        text = {"description": "The text itself.", "type": ["string", "number", "boolean", "array", "null"]}
        json = {"anyOf": [json, text]}
    content: Schema = {JSON_TYPE: {"schema": json}} if query or only else {}
    if query:
        content[FORM_TYPE] = {"schema": {"type": "object", "properties": query}}
    return content


def _described(parameter: Parameter) -> Schema:
    return {**_parameter_schema(parameter), "description": parameter.description}


def _responses(route: Route) -> Schema:
    success: Schema = {"description": HTTPStatus(route.status).phrase}
    if route.response != "void" and not route.upgrade:
        success["content"] = {JSON_TYPE: {"schema": _type(route.response)}}
    if route.headers:
        success["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in route.headers.items()
        }
    responses = {str(route.status): success}
    if "ETag" in route.headers:
        responses["304"] = {"description": "As the client knows it, by If-None-Match"}
    errors = dict(_ALWAYS)
    if "{" in route.path:
        errors |= dict(_WITH_PATH)
    if route.method != "GET":
        errors |= dict(_WITH_BODY)
    for code, reason in sorted((errors | dict(route.errors)).items()):
        responses[str(code)] = {
            "description": reason,
            "content": {JSON_TYPE: {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
    return responses


# ---- schemas


def _schemas() -> Schema:
    found = {name: _model(model) for name, model in models().items() if name not in ("Message", "Event")}
    for event in EVENTS:
        name = event["id"]
        found[name] = _model({**event, "properties": common_fields() | event["properties"]})
        found[name]["properties"]["type"] = {"type": "string", "const": name}
    found["Event"] = {
        "description": "What is sent over the WebSocket of /events, one object a text frame.",
        "oneOf": [{"$ref": f"#/components/schemas/{event['id']}"} for event in EVENTS],
        "discriminator": {"propertyName": "type"},
    }
    found["Error"] = {
        "type": "object",
        "description": "What went wrong.",
        "properties": {"message": {"type": "string"}},
        "required": ["message"],
    }
    return found


def _model(model: Schema) -> Schema:
    fields: dict[str, Schema] = model["properties"]
    return {
        "type": "object",
        "description": model["description"],
        "properties": {name: _field(field) for name, field in fields.items()},
        "required": [name for name, field in fields.items() if field["required"]],
    }


def _field(field: Schema) -> Schema:
    schema = _type(field["type"])
    if field.get("nullable"):
        schema["type"] = [schema["type"], "null"]
    if "allowableValues" in field:
        schema["enum"] = field["allowableValues"]["values"]
    return {**schema, "description": field["description"]}


def _type(name: str) -> Schema:
    if name.startswith("List["):
        return {"type": "array", "items": _type(name[5:-1])}
    known = _TYPES.get(name)
    return dict(known) if known is not None else {"$ref": f"#/components/schemas/{name}"}


_DOCUMENT = _build(TABLE)
