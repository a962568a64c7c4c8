using System.CommandLine;
using System.Globalization;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Endpoints;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Environments;

/// <summary><c>dormouse environment list | show | delete</c>.</summary>
internal static class EnvironmentCommand
{
    private const int ShownDigits = 12;

    public static Command Create(GlobalOptions globals) =>
        new CliCommand("environment", "List, look at and delete Python environments. They are built by deploys and go by themselves when no revision uses them.", "dormouse environment list", "dormouse environment show 3f9c2a71b0de")
        {
            CreateList(globals), CreateShow(globals), CreateDelete(globals),
        };

    private static CliCommand CreateList(GlobalOptions globals) =>
        new CliCommand("list", "List the environments, with their size and who uses them.", "dormouse environment list").Runs(globals, async (session, _, cancellationToken) =>
        {
            var list = await session.Client.Environments.ListAsync(cancellationToken);
            if (session.Screen.IsJson)
            {
                session.Screen.Json(list, ControlJson.Default.EnvironmentList);
                return;
            }

            session.Screen.Table(
                ["ID", "STATE", "PYTHON", ">PACKAGES", ">SIZE", "BUILT", "USED BY"],
                list.Environments.Select(e => new[]
                {
                    e.Id[..ShownDigits], e.State, e.Python + (e.SystemPackages ? " + system" : ""), e.Packages.Length.ToString(CultureInfo.InvariantCulture), e.SizeBytes == 0 ? "" : Units.Bytes(e.SizeBytes),
                    e.BuiltAt is { } at ? Units.Time(at, session.Surroundings.Time) : "", Users(e),
                }));
        });

    private static CliCommand CreateShow(GlobalOptions globals)
    {
        var id = Id();
        var log = new Option<bool>("--log") { Description = "Also what was said while it was built." };
        return new CliCommand("show", "Show what was asked for, what is in it, and the log of its build.", "dormouse environment show 3f9c2a71b0de --log") { id, log }.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            var environment = await session.Client.Environments.GetAsync(await FindAsync(session, parsed.GetRequiredValue(id), cancellationToken), cancellationToken: cancellationToken);
            if (session.Screen.IsJson)
            {
                session.Screen.Json(environment, ControlJson.Default.EnvironmentInfo);
                return;
            }

            session.Screen.Line($"{environment.Id}  {environment.State}");
            session.Screen.Line($"  Python {environment.Python}{(environment.SystemPackages ? " with the system's packages" : "")}{(environment.Builder is { } builder ? ", built by " + builder : "")}"
                + (environment.BuildSeconds is { } seconds ? string.Create(CultureInfo.InvariantCulture, $" in {seconds:0.0} s") : "") + (environment.SizeBytes == 0 ? "" : ", " + Units.Bytes(environment.SizeBytes)));
            session.Screen.Line("  used by " + Users(environment));
            session.Screen.Line("  asked for: " + string.Join(", ", environment.Requirements));
            session.Screen.Line("  has: " + string.Join(", ", environment.Packages));
            if (environment.Failure is { } failure)
            {
                session.Screen.Line("  " + failure);
            }

            foreach (var line in parsed.GetValue(log) ? environment.Log : [])
            {
                session.Screen.Line(line);
            }
        });
    }

    private static CliCommand CreateDelete(GlobalOptions globals)
    {
        var id = Id();
        return new CliCommand("delete", "Remove an environment that no revision uses; the next deploy that asks for the same builds it anew.", "dormouse environment delete 3f9c2a71b0de") { id }.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            var full = await FindAsync(session, parsed.GetRequiredValue(id), cancellationToken);
            await session.Client.Environments.DeleteAsync(full, cancellationToken);
            StopCommand.Report(session, full, "deleted", $"{full[..ShownDigits]} is deleted");
        });
    }

    private static Argument<string> Id()
    {
        var id = new Argument<string>("id") { HelpName = "id", Description = "Id of the environment, or its first digits, as 'environment list' shows it." };
        Arguments.RefuseOptions(id);
        Arguments.RefuseDots(id);
        return id;
    }

    /// <summary>The whole id behind its first digits.</summary>
    private static async Task<string> FindAsync(Session session, string text, CancellationToken cancellationToken)
    {
        var found = (await session.Client.Environments.ListAsync(cancellationToken)).Environments.Select(e => e.Id).Where(i => i.StartsWith(text, StringComparison.OrdinalIgnoreCase)).ToArray();
        return found switch
        {
            [var one] => one,
            [] => text.ToLowerInvariant(),
            _ => throw CommandException.Usage($"{found.Length} environments begin with '{text}': {string.Join(", ", found.Select(f => f[..ShownDigits]))}. Write more digits."),
        };
    }

    private static string Users(EnvironmentInfo environment) => environment.UsedBy.IsEmpty ? "nobody" : string.Join(", ", environment.UsedBy.Take(5)) + (environment.UsedBy.Length > 5 ? ", …" : "");
}
