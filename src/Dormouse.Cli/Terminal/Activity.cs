namespace Dormouse.Cli.Terminal;

/// <summary>Shows that long work goes on: a bar on a terminal, plain lines elsewhere, nothing with JSON output. All on standard error.</summary>
internal sealed class Activity(Surroundings surroundings, bool isSilent)
{
    /// <summary>Below this a bar or line would be gone before it was read.</summary>
    public const long BytesMin = 4_000_000;

    /// <summary>The same of a simulation.</summary>
    public const long InvocationsMin = 500_000;

    /// <summary>Runs work of a known number of bytes.</summary>
    /// <param name="title">"uploading digits", without the size.</param>
    public async Task<T> RunAsync<T>(string title, long totalBytes, Func<IProgress<long>, Task<T>> work)
    {
        title = Shown.Line(title);
        if (isSilent || totalBytes < BytesMin)
        {
            return await work(new Silence());
        }

        return surroundings.IsErrorTerminal
            ? await SpectreActivity.BarAsync(surroundings.Error, title, totalBytes, work)
            : await work(new QuarterLines(surroundings.Error, title, totalBytes, Units.Bytes(totalBytes)));
    }

    /// <summary>Runs work of unknown length: a spinner on a terminal, else nothing.</summary>
    public async Task<T> RunAsync<T>(string title, Func<Task<T>> work) =>
        isSilent || !surroundings.IsErrorTerminal ? await work() : await SpectreActivity.SpinnerAsync(surroundings.Error, Shown.Line(title), work);

    /// <summary>Runs a simulation that passes a known stretch of virtual time.</summary>
    public async Task<T> RunAsync<T>(string title, TimeSpan stretch, long invocations, Func<IProgress<TimeSpan>, Task<T>> work)
    {
        if (isSilent || invocations < InvocationsMin)
        {
            return await work(new Passed(new Silence()));
        }

        return surroundings.IsErrorTerminal
            ? await SpectreActivity.ShareAsync(surroundings.Error, title, stretch.Ticks, progress => work(new Passed(progress)))
            : await work(new Passed(new QuarterLines(surroundings.Error, title, stretch.Ticks, $"about {Units.Count(invocations)} invocations")));
    }

    /// <summary>Turns points of time into what passed since the last one.</summary>
    private sealed class Passed(IProgress<long> inner) : IProgress<TimeSpan>
    {
        private TimeSpan _last;

        public void Report(TimeSpan value)
        {
            if (value > _last)
            {
                inner.Report((value - _last).Ticks);
                _last = value;
            }
        }
    }

    private sealed class Silence : IProgress<long>
    {
        public void Report(long value)
        {
        }
    }

    /// <summary>A line at the start and after each quarter.</summary>
    private sealed class QuarterLines : IProgress<long>
    {
        private readonly TextWriter _error;
        private readonly string _title;
        private readonly long _total;
        private long _done;
        private int _quarter;

        public QuarterLines(TextWriter error, string title, long total, string size)
        {
            _error = error;
            _title = title;
            _total = total;
            error.WriteLine($"{title}: {size}");
        }

        public void Report(long value)
        {
            _done += value;
            var quarter = (int)(4.0 * _done / _total);
            if (quarter > _quarter && quarter < 4)
            {
                _error.WriteLine($"{_title}: {25 * quarter} %");
            }

            _quarter = Math.Max(quarter, _quarter);
        }
    }
}
