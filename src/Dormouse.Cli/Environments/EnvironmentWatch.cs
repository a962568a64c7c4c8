using Dormouse.Cli.Connection;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Environments;

/// <summary>Has the environments of a package built and shows what pip or uv say while they do.</summary>
internal static class EnvironmentWatch
{
    private const int WaitSeconds = 20;

    /// <summary>Ends when all are ready.</summary>
    /// <exception cref="CommandException">One could not be built.</exception>
    public static async Task BuildAsync(Session session, FunctionsRequest request, CancellationToken cancellationToken)
    {
        foreach (var environment in (await session.Client.Environments.BuildAsync(request, cancellationToken)).Environments)
        {
            if (environment.State != "ready")
            {
                await FollowAsync(session, environment.Id, cancellationToken);
            }
        }
    }

    private static async Task FollowAsync(Session session, string id, CancellationToken cancellationToken)
    {
        session.Screen.Note($"building environment {id[..12]}");
        for (var after = 0; ;)
        {
            var info = await session.Client.Environments.GetAsync(id, after, WaitSeconds, cancellationToken);
            foreach (var line in info.Log)
            {
                session.Screen.Note("  " + Shown.Line(line));
            }

            after = info.Next;
            switch (info.State)
            {
                case "ready":
                    session.Screen.Note($"environment {id[..12]} is ready: {info.Packages.Length} packages, {Units.Bytes(info.SizeBytes)}");
                    return;

                case "failed":
                    throw new CommandException(ExitCodes.Refused, "environment_failed", $"The environment could not be built: {info.Failure} What served before goes on.");
            }
        }
    }
}
