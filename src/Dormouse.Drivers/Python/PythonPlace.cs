using Dormouse.Core.Endpoints;
using Dormouse.Core.Environments;

namespace Dormouse.Drivers.Python;

/// <summary>Which Python runs a revision: that of an environment, or an interpreter with what the system has.</summary>
/// <param name="Version">Minor version such as "3.11"; null = the server's own, or the environment's.</param>
/// <param name="Environment">Null = none.</param>
internal readonly record struct PythonPlace(string? Version, EnvironmentId? Environment)
{
    /// <summary>The server's own interpreter.</summary>
    public static readonly PythonPlace Own;

    public static PythonPlace Of(RevisionSpec spec) => spec.PythonEnvironment is { } environment ? new(null, environment) : new(spec.Python, null);
}
