using System.CommandLine;
using System.Globalization;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Deploy;
using Dormouse.Cli.Hosting;
using Dormouse.Cli.LocalFiles;
using Dormouse.Cli.Terminal;
using Dormouse.Client;

namespace Dormouse.Cli.Python;

/// <summary><c>dormouse dev app.py</c>: deploys, follows the logs, and deploys again whenever a file has changed.</summary>
internal sealed class DevCommand
{
    /// <summary>How often the files are looked at: the change of one is deployed once it has been the same for two looks.</summary>
    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(300);

    private readonly Argument<string> _source = new("source") { HelpName = "source", Description = "A .py file with what lies beside it, or a folder." };
    private readonly Option<string?> _name = new("--name", "-n") { HelpName = "name", Description = "Name of the endpoint. Default: as of deploy." };
    private readonly SettingsOptions _settings = new();

    public static Command Create(GlobalOptions globals)
    {
        var dev = new DevCommand();
        var command = new CliCommand("dev", "Deploy Python code, follow its logs, and deploy it again whenever a file is saved. Ctrl-C ends it; what was deployed last stays.", "dormouse dev app.py");
        Arguments.RefuseOptions(dev._source);
        command.Add(dev._source);
        command.Add(dev._name);
        dev._settings.AddTo(command);
        command.HandlesSignals = true;
        return command.Runs(globals, dev.RunAsync);
    }

    private async Task RunAsync(Session session, ParseResult parsed, CancellationToken cancellationToken)
    {
        using var interruption = new Interruption(cancellationToken);
        var wishes = new PythonWishes(parsed.GetValue(_name), _settings.Read(parsed), DebutSettings.Usual, Verify: true, Wait: true);
        await using var logs = new FollowedLogs(session, interruption.Token);
        try
        {
            await WatchAsync(session, parsed.GetRequiredValue(_source), wishes, logs, interruption.Token);
        }
        catch (OperationCanceledException) when (interruption.Token.IsCancellationRequested)
        {
            // The wished end.
        }
    }

    private static async Task WatchAsync(Session session, string path, PythonWishes wishes, FollowedLogs logs, CancellationToken cancellationToken)
    {
        string? deployed = null;
        string? seen = null;
        while (true)
        {
            try
            {
                var source = await LocalFile.RunAsync(() => SourceReader.Read(path, wishes.Settings.Runtime ?? Core.Endpoints.RuntimeKind.Python.Name), cancellationToken);
                var now = Fingerprint(source);
                // The first time at once; then only what was the same twice: an editor may still be writing.
                if (now != deployed && (deployed is null || now == seen))
                {
                    deployed = now;
                    await DeployAsync(session, source, wishes, logs, cancellationToken);
                }

                seen = now;
            }
            catch (Exception e) when (deployed is not null && e is CommandException or DormouseException or IOException)
            {
                session.Screen.Note($"{Clock(session)} {e.Message}");
            }

            await Task.Delay(LookInterval, session.Surroundings.Time, cancellationToken);
        }
    }

    private static async Task DeployAsync(Session session, PackageSource source, PythonWishes wishes, FollowedLogs logs, CancellationToken cancellationToken)
    {
        foreach (var function in await new PythonDeployer(session).DeployAsync(source, wishes, cancellationToken))
        {
            session.Screen.Note($"{Clock(session)} {DeployReport.Live(function.Endpoint, function.Deployed.Revision)}");
            logs.Follow(function.Endpoint.Name);
        }
    }

    private static string Clock(Session session) => Units.Time(session.Surroundings.Time.GetUtcNow(), session.Surroundings.Time);

    /// <summary>Changes when a file is added, removed or written.</summary>
    private static string Fingerprint(PackageSource source) => string.Join('\n', source.Versions.SelectMany(v => v.Files).Select(f =>
    {
        var info = new FileInfo(f.LocalPath);
        return string.Create(CultureInfo.InvariantCulture, $"{f.Path} {(info.Exists ? info.Length : -1)} {info.LastWriteTimeUtc.Ticks}");
    }));
}

/// <summary>Prints what the instances of some endpoints write, as it comes.</summary>
internal sealed class FollowedLogs(Session session, CancellationToken cancellationToken) : IAsyncDisposable
{
    private readonly Dictionary<string, Task> _followed = [];

    /// <summary>From now on; once for each name.</summary>
    public void Follow(string name)
    {
        if (!_followed.ContainsKey(name))
        {
            _followed.Add(name, FollowAsync(name));
        }
    }

    public async ValueTask DisposeAsync() => await Task.WhenAll(_followed.Values);

    private async Task FollowAsync(string name)
    {
        try
        {
            await foreach (var line in session.Client.Endpoints.LogsAsync(name, 0, follow: true, cancellationToken: cancellationToken))
            {
                session.Screen.Line($"{Units.Time(line.At, session.Surroundings.Time)}  {Shown.Line(name)}  {Shown.Line(line.Text)}");
                await session.Surroundings.Out.FlushAsync(cancellationToken);
            }
        }
        catch (OperationCanceledException)
        {
            // Nobody reads on.
        }
        catch (Exception e) when (e is DormouseException or IOException or HttpRequestException)
        {
            session.Screen.Note($"The logs of {name} ended: {e.Message}");
        }
    }
}
