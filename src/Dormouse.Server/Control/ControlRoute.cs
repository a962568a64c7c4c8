using System.Collections.Immutable;
using Dormouse.Core.Access;
using Dormouse.Core.Endpoints;
using Dormouse.Server.Access;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Control;

/// <summary>One operation of the control plane: how it is reached, who may, what it does. The OpenAPI document is made from these.</summary>
/// <param name="Pattern">Below <c>/api/v1</c>.</param>
/// <param name="Operation">Stable id, camelCase.</param>
internal sealed record ControlRoute(string Method, string Pattern, KeyScopes Scope, string Operation, string Summary, Func<ControlCall, Task> Handle)
{
    /// <summary>Type of the control API's JSON; only the document asks how it looks, so that a start does not.</summary>
    public Type? Body { get; init; }

    /// <summary>As <see cref="Body"/>.</summary>
    public Type? Answer { get; init; }

    public string AnswerType { get; init; } = "application/json";

    public int Status { get; init; } = StatusCodes.Status200OK;

    public ImmutableArray<QueryParameter> Query { get; init; } = [];
}

/// <param name="Type">OpenAPI type: string, integer, boolean.</param>
internal sealed record QueryParameter(string Name, string Type, string Description);

/// <summary>One permitted call of an operation.</summary>
internal readonly record struct ControlCall(HttpContext Http, Caller Caller)
{
    public TenantId Tenant => Caller.Tenant;

    public CancellationToken Cancellation => Http.RequestAborted;

    /// <summary>A value of the path; the route's pattern guarantees that it is there.</summary>
    public string Route(string name) => (string)Http.Request.RouteValues[name]!;

    /// <summary>Null when the query has none; an empty value counts as none.</summary>
    public string? Query(string name) => Http.Request.Query[name].ToString() is { Length: > 0 } value ? value : null;
}
