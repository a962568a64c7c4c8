using System.CommandLine;
using System.Globalization;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Endpoints;

/// <summary><c>dormouse mirror N r4=10</c>.</summary>
internal static class MirrorCommand
{
    public static Command Create(GlobalOptions globals)
    {
        var name = Arguments.Endpoint();
        var share = new Argument<string?>("share") { HelpName = "r4=10", Description = "The revision that gets copies, and of how many per cent of the calls. None = show what was seen.", Arity = ArgumentArity.ZeroOrOne };
        Arguments.RefuseOptions(share);
        var tolerance = new Option<double?>("--tolerance") { HelpName = "t", Description = "Numbers a and b are equal when |a-b| is at most t x max(1,|a|,|b|). Default: 0.0001." };
        var off = new Option<bool>("--off") { Description = "Copy no more." };
        var command = new CliCommand(
            "mirror",
            "Copy calls to a revision, compare its answers with those that the callers got, and drop them.",
            "dormouse mirror digits r4=10",
            "dormouse mirror digits",
            "dormouse mirror digits --off") { name, share, tolerance, off };
        return command.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            var endpoint = parsed.GetRequiredValue(name);
            var (wanted, close, isOff) = (parsed.GetValue(share), parsed.GetValue(tolerance), parsed.GetValue(off));
            if (wanted is null ? close is not null : isOff)
            {
                throw CommandException.Usage(isOff ? "--off and a share such as r4=10 cannot be used together." : "--tolerance needs a share such as r4=10.");
            }

            if (isOff)
            {
                await session.Client.Endpoints.DeleteMirrorAsync(endpoint, cancellationToken);
            }

            Report(session, wanted is null
                ? await session.Client.Endpoints.GetAsync(endpoint, cancellationToken)
                : await session.Client.Endpoints.SetMirrorAsync(endpoint, Parse(wanted, close), cancellationToken));
        });
    }

    /// <summary>What a mirror has seen, in one line.</summary>
    public static string Sentence(MirrorInfo mirror)
    {
        var counts = $"{mirror.Percent} % to {mirror.Revision}: {mirror.Compared} compared, {mirror.Same} the same, {mirror.DifferentStatus} with another status, {mirror.DifferentBody} with another body";
        string[] others =
        [
            .. mirror.Unread > 0 ? [$"{mirror.Unread} too long to compare"] : Array.Empty<string>(),
            .. mirror.Unanswered > 0 ? [$"{mirror.Unanswered} without an answer"] : Array.Empty<string>(),
            .. mirror.Dropped > 0 ? [$"{mirror.Dropped} dropped for want of room"] : Array.Empty<string>(),
            .. mirror.NotMirrored > 0 ? [$"{mirror.NotMirrored} not copied for their length"] : Array.Empty<string>(),
        ];
        var times = mirror.Compared == 0 ? "" : $"; median {Units.Milliseconds(mirror.MirrorMedianMs)} ms against {Units.Milliseconds(mirror.MedianMs)}, 95 % {Units.Milliseconds(mirror.MirrorP95Ms)} ms against {Units.Milliseconds(mirror.P95Ms)}";
        var last = mirror.LastDifference is { } difference ? $"; last difference: {difference}" : "";
        return string.Join(", ", [counts, .. others]) + times + last;
    }

    private static MirrorRequest Parse(string text, double? tolerance)
    {
        var (revision, weight) = Arguments.Pair("A share", text);
        var number = Arguments.RevisionNumber(revision);
        return int.TryParse(weight.TrimEnd('%'), NumberStyles.None, CultureInfo.InvariantCulture, out var percent) && percent is >= 1 and <= 100
            ? new MirrorRequest("r" + number.ToString(CultureInfo.InvariantCulture), percent, tolerance)
            : throw CommandException.Usage($"'{text}' is no share; write a whole number of per cent from 1 to 100, such as r{number}=10.");
    }

    private static void Report(Session session, EndpointInfo endpoint)
    {
        if (session.Screen.IsJson)
        {
            session.Screen.Json(endpoint, ControlJson.Default.EndpointInfo);
        }
        else if (endpoint.Mirror is { } mirror)
        {
            session.Screen.Line($"{endpoint.Name} mirrors {Shown.Line(Sentence(mirror))}");
        }
        else
        {
            session.Screen.Note($"{endpoint.Name} mirrors nothing.");
        }
    }
}
