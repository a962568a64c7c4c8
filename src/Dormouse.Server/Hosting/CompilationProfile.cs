using System.Runtime;
using Dormouse.Server.Dispatch;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Hosting;

/// <summary>
/// What the runtime compiled until the first calls were answered, kept in the data folder: the next server has it compiled on another core while it starts, so that neither its start nor its first
/// call waits for that. The runtime takes what fits the program and ignores the rest, a damaged file included.
/// </summary>
internal sealed partial class CompilationProfile : IAsyncDisposable
{
    /// <summary>Subfolder of the data folder.</summary>
    private const string FolderName = "compiled";

    /// <summary>What an earlier server kept.</summary>
    private const string FileName = "first-calls";

    /// <summary>What this server begins with and writes: the runtime has one name for both, and a server that nobody calls would forget the calls.</summary>
    private const string DraftName = "draft";

    /// <summary>How long a server may compile what first calls need, once an instance is ready for one.</summary>
    private static readonly TimeSpan FirstCalls = TimeSpan.FromSeconds(10);

    private readonly string _folder;
    private readonly CancellationTokenSource _stopping = new();
    private Task _keeping = Task.CompletedTask;
    private int _isReady;

    private CompilationProfile(string folder) => _folder = folder;

    /// <summary>From now on what is compiled is written down, and what an earlier server wrote down is compiled ahead. Once in a process.</summary>
    public static CompilationProfile Begin(string dataFolder)
    {
        var profile = new CompilationProfile(Path.Combine(dataFolder, FolderName));
        var kept = Path.Combine(profile._folder, FileName);
        try
        {
            if (File.Exists(kept))
            {
                File.Copy(kept, Path.Combine(profile._folder, DraftName), overwrite: true);
            }

            ProfileOptimization.SetProfileRoot(profile._folder);
            ProfileOptimization.StartProfile(DraftName);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Nothing is compiled ahead. What is wrong with the data folder is said by those who need it.
        }

        return profile;
    }

    /// <summary>Keeps what is compiled from <see cref="Begin"/> until calls are answered.</summary>
    public void KeepAfterFirstCalls(DispatchEvents events, TimeProvider time, ILogger logger) => events.Ready += (_, _, _) =>
    {
        if (Interlocked.Exchange(ref _isReady, 1) == 0)
        {
            _keeping = KeepAsync(time, logger);
        }
    };

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _keeping;
        _stopping.Dispose();
    }

    private async Task KeepAsync(TimeProvider time, ILogger logger)
    {
        try
        {
            await Task.Delay(FirstCalls, time, _stopping.Token);
            Directory.CreateDirectory(_folder);
            // Without a name: the one that is being written is written to its end.
            ProfileOptimization.StartProfile(null);
            File.Move(Path.Combine(_folder, DraftName), Path.Combine(_folder, FileName), overwrite: true);
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // The server stops sooner: what an earlier one kept stays.
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogNotKept(logger, e.Message);
        }
    }

    [LoggerMessage(EventId = 1105, EventName = "CompilationProfileNotKept", Level = LogLevel.Information, Message = "What was compiled for the first calls could not be kept, so the next start is slower: {Reason}")]
    private static partial void LogNotKept(ILogger logger, string reason);
}
