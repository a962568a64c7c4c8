namespace Dormouse.Core.Endpoints;

/// <summary>Owner of endpoints. Compared ordinally. <see cref="Default"/> is meant where an address names none.</summary>
public readonly record struct TenantId(string Value)
{
    public static readonly TenantId Default = new("default");

    public override string ToString() => Value;
}

/// <summary>Identity of an endpoint: UUIDv7, never used again. A name may be used again by another endpoint; receipts follow the id.</summary>
public readonly record struct EndpointId(Guid Value)
{
    public override string ToString() => Value.ToString("D");
}

/// <summary>One immutable deployed version of an endpoint. Numbers start at 1 and grow by one per endpoint.</summary>
public readonly record struct RevisionId(EndpointId Endpoint, int Number)
{
    public override string ToString() => $"{Endpoint}/r{Number}";
}

/// <summary>Identity of one invocation: UUIDv7 drawn by the gateway.</summary>
public readonly record struct InvocationId(Guid Value)
{
    public override string ToString() => Value.ToString("D");
}
