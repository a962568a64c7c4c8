namespace Dormouse.Cli.Terminal;

/// <summary>Shows that long work goes on: a bar on a terminal, plain lines elsewhere, nothing with JSON output. All on standard error.</summary>
internal sealed class Activity(Surroundings surroundings, bool isSilent)
{
    /// <summary>Below this a bar or line would be gone before it was read.</summary>
    public const long BytesMin = 4_000_000;

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
            : await work(new QuarterLines(surroundings.Error, title, totalBytes));
    }

    /// <summary>Runs work of unknown length: a spinner on a terminal, else nothing.</summary>
    public async Task<T> RunAsync<T>(string title, Func<Task<T>> work) =>
        isSilent || !surroundings.IsErrorTerminal ? await work() : await SpectreActivity.SpinnerAsync(surroundings.Error, Shown.Line(title), work);

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

        public QuarterLines(TextWriter error, string title, long total)
        {
            _error = error;
            _title = title;
            _total = total;
            error.WriteLine($"{title}: {Units.Bytes(total)}");
        }

        public void Report(long value)
        {
            _done += value;
            var quarter = (int)(4 * _done / _total);
            if (quarter > _quarter && quarter < 4)
            {
                _error.WriteLine($"{_title}: {25 * quarter} %");
            }

            _quarter = Math.Max(quarter, _quarter);
        }
    }
}
