using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;
using Dormouse.Server.Hosting.Settings;

namespace Dormouse.Server.Triggers;

/// <summary>Files that come into a folder.</summary>
internal sealed class FolderKind(TriggersSettings settings, QueuesSettings queues, TimeProvider time) : IEventSourceKind
{
    private static readonly TimeSpan SettleMax = TimeSpan.FromHours(1);

    public string Name => "folder";

    public ImmutableArray<SourceKey> Keys { get; } =
    [
        new("path", true, "absolute path of the folder, below one of the server's setting triggers.folders"), new("pattern", false, "names of files, with * and ?. Default: *"),
        new("settle", false, "a file whose size and time stayed the same for so long is whole, 0s to 1h. Default: 2s"),
        new("after", false, "move (to .done in the folder) or delete, once it is queued. Default: move"),
    ];

    public bool IsPulled => true;

    public string? Fault(Trigger trigger)
    {
        var path = trigger.Source.GetValueOrDefault("path", "");
        if (!Path.IsPathFullyQualified(path))
        {
            return $"'path' is '{ShownText.Of(path)}'; allowed is the absolute path of a folder.";
        }

        if (!IsAllowed(path))
        {
            return $"'path' is '{ShownText.Of(path)}'; allowed is a folder below {(settings.Folders.IsEmpty ? "one that the operator names in the setting triggers.folders, and none is named" : string.Join(", ", settings.Folders) + " (setting triggers.folders)")}.";
        }

        return !TrySettle(trigger, out _) ? $"'settle' is '{ShownText.Of(trigger.Source["settle"])}'; allowed is {Durations.Forms}, at most 1h."
            : trigger.Source.GetValueOrDefault("after", "move") is not ("move" or "delete") ? $"'after' is '{ShownText.Of(trigger.Source["after"])}'; allowed is move or delete."
            : null;
    }

    public Task<IEventSource> OpenAsync(Trigger trigger, CancellationToken cancellationToken)
    {
        if (Fault(trigger) is { } fault)
        {
            // The operator took the folder back.
            throw new IOException(fault);
        }

        _ = TrySettle(trigger, out var settle);
        return Task.FromResult<IEventSource>(new FolderSource(
            Path.GetFullPath(trigger.Source["path"]), trigger.Source.GetValueOrDefault("pattern", "*"), settle, trigger.Source.GetValueOrDefault("after", "move") == "delete", queues.BodyLimitBytes, time));
    }

    /// <summary>Where the path really leads, links followed.</summary>
    private bool IsAllowed(string path)
    {
        var real = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (new DirectoryInfo(real) is { Exists: true, LinkTarget: not null } link)
        {
            real = link.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? real;
        }

        return settings.Folders.Any(f => real == f || real.StartsWith(f + Path.DirectorySeparatorChar, StringComparison.Ordinal));
    }

    private static bool TrySettle(Trigger trigger, out TimeSpan settle)
    {
        settle = TimeSpan.FromSeconds(2);
        return !trigger.Source.TryGetValue("settle", out var text) || (Durations.TryParse(text, out settle) && settle <= SettleMax);
    }
}
