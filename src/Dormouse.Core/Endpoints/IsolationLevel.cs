namespace Dormouse.Core.Endpoints;

/// <summary>How far an instance is kept from the machine and from its neighbours; docs/spec/sandbox.md says what each promises.</summary>
public enum IsolationLevel
{
    /// <summary>A process of the server's own user under limits: it sees what the server sees, and has the machine's network.</summary>
    Process,

    /// <summary>A process that sees the system read-only, its own package, and nothing else of the machine; another user, and no network unless it asks for one.</summary>
    Sandbox,

    /// <summary>The same as <see cref="Sandbox"/> promises, in a container that an OCI runtime makes.</summary>
    Container,
}

/// <summary>Whom an instance can reach over the network.</summary>
public enum NetworkAccess
{
    /// <summary>Nobody: it has a loopback interface of its own and nothing else.</summary>
    None,

    /// <summary>In a sandbox or container the public internet and what the operator allows, never this machine; as a process whom the machine can reach.</summary>
    Outbound,
}

/// <summary>The levels' names in settings.</summary>
public static class IsolationLevels
{
    public const string Process = "process";
    public const string Sandbox = "sandbox";
    public const string Container = "container";

    public const string None = "none";
    public const string Outbound = "outbound";

    public static string NameOf(NetworkAccess network) => network == NetworkAccess.Outbound ? Outbound : None;

    public static string NameOf(IsolationLevel level) => level switch
    {
        IsolationLevel.Sandbox => Sandbox,
        IsolationLevel.Container => Container,
        _ => Process,
    };

    /// <summary>The level of a name; null = there is none of that name.</summary>
    public static IsolationLevel? Find(string name) => name switch
    {
        Process => IsolationLevel.Process,
        Sandbox => IsolationLevel.Sandbox,
        Container => IsolationLevel.Container,
        _ => null,
    };
}
