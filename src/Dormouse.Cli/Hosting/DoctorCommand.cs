using System.CommandLine;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Hosting;

/// <summary><c>dormouse doctor</c>.</summary>
internal static class DoctorCommand
{
    public static Command Create(GlobalOptions globals)
    {
        var full = new Option<bool>("--full") { Description = "Add up all receipts, not only those of the last day." };
        var command = new CliCommand(
            "doctor",
            "Check the connection and the server's machine; say what mends what is wrong. Exit code 1 when something failed.",
            "dormouse doctor",
            "dormouse doctor --full") { full };
        return command.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            var location = session.Location;
            if (!session.Screen.IsJson)
            {
                // Before the call: when nothing answers, this is what helps.
                session.Screen.Line($"server   {location.Address.GetLeftPart(UriPartial.Authority)} ({location.AddressFrom})");
                session.Screen.Line($"key      {(location.Key is null ? "none" : "from " + location.KeyFrom)}");
            }

            var report = await session.Client.DoctorAsync(parsed.GetValue(full), cancellationToken);
            if (session.Screen.IsJson)
            {
                session.Screen.Json(new DoctorDocument(location.Address.GetLeftPart(UriPartial.Authority), location.AddressFrom, location.KeyFrom, report), CliJson.Default.DoctorDocument);
            }
            else
            {
                Write(session.Screen, report);
            }

            return report.Healthy ? ExitCodes.Done : ExitCodes.Failed;
        });
    }

    private static void Write(Screen screen, DoctorReport report)
    {
        screen.Line();
        screen.Table(["CHECK", "STATUS", "DETAIL"], report.Checks.Select(c => new[] { c.Name, c.Status, c.Detail }));
        foreach (var check in report.Checks.Where(c => c.Mend is not null))
        {
            screen.Line();
            screen.Line($"{check.Name}: {check.Mend}");
        }
    }
}
