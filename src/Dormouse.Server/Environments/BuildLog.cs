using System.Collections.Immutable;

namespace Dormouse.Server.Environments;

/// <summary>Lines of one build, at most <see cref="LinesMax"/>, for those who watch it.</summary>
internal sealed class BuildLog
{
    public const int LinesMax = 4_000;

    private readonly Lock _guard = new();
    private readonly List<string> _lines = [];
    private bool _isClosed;
    private TaskCompletionSource _news = New();

    public void Add(string line)
    {
        lock (_guard)
        {
            // A build writes hundreds of lines, not thousands; one that does is cut off, and its end is told by its outcome.
            if (_isClosed || _lines.Count > LinesMax)
            {
                return;
            }

            _lines.Add(_lines.Count < LinesMax ? line : $"[more than {LinesMax} lines: the rest is not kept]");
        }

        Tell();
    }

    /// <summary>No line follows.</summary>
    public void Close()
    {
        lock (_guard)
        {
            _isClosed = true;
        }

        Tell();
    }

    public ImmutableArray<string> Lines()
    {
        lock (_guard)
        {
            return [.. _lines];
        }
    }

    /// <summary>Ends when there is a line behind the first <paramref name="after"/>, or none follows.</summary>
    public async Task WaitAsync(int after, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task news;
            lock (_guard)
            {
                if (_isClosed || _lines.Count > after)
                {
                    return;
                }

                news = _news.Task;
            }

            await news.WaitAsync(cancellationToken);
        }
    }

    private void Tell()
    {
        TaskCompletionSource told;
        lock (_guard)
        {
            told = _news;
            _news = New();
        }

        told.SetResult();
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
