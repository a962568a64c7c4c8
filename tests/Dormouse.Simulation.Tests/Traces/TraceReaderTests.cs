using Dormouse.Simulation.Load;
using Dormouse.Simulation.Traces;

namespace Dormouse.Simulation.Tests.Traces;

public sealed class TraceReaderTests : IDisposable
{
    private const string Minutes = "HashOwner,HashApp,HashFunction,Trigger,1,2,3\n";
    private const string Percentiles = "HashOwner,HashApp,HashFunction,Average,Count,Minimum,Maximum,percentile_Average_0,percentile_Average_1,percentile_Average_25,percentile_Average_50,percentile_Average_75,percentile_Average_99,percentile_Average_100\n";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("dormouse-traces-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Plain_arrivals_are_read()
    {
        var load = Read("time_s,endpoint,run_ms,memory_mib\n0.5,b,20,128\n0.5,a,,\n2,b,30.5,256\n");

        Assert.Equal(3, load.Invocations);
        Assert.Equal(["a", "b"], load.Endpoints.Select(e => e.Name));
        Assert.Equal([null, 256], load.Endpoints.Select(e => e.MemoryMib));
        Assert.Equal([(0.5, 20), (2, 30.5)], All(load.Endpoints[1]));
        Assert.Equal(TimeSpan.FromSeconds(2.0305), load.Duration);
        Assert.Equal(["1 invocations have no run_ms: --run-time stands in for it."], load.Notes);
    }

    [Fact]
    public void The_columns_of_plain_arrivals_may_come_in_any_order_and_number()
    {
        Assert.Equal([(1, 7)], All(Read("run_ms,endpoint,time_s\r\n7,a,1\r\n").Endpoints[0]));
    }

    [Theory]
    [InlineData("", ": It is empty; a header and at least one row are needed.")]
    [InlineData("time_s,endpoint\n", ": It has no rows; at least one invocation is needed.")]
    [InlineData("a,b\n1,2\n", ":1: the header 'a,b' is of no known format. Known are: time_s,endpoint[,…] (plain arrivals); ")]
    [InlineData("time_s,endpoint,colour\n", ":1: the column 'colour' is not known; allowed are time_s, endpoint, run_ms, memory_mib.")]
    [InlineData("time_s,run_ms\n1,2\n", ":1: the column 'endpoint' is missing; the header has: time_s, run_ms")]
    [InlineData("time_s,endpoint\n1,a\n0.5,a\n", ":3: time_s is 0.5, after 1: time goes forward.")]
    [InlineData("time_s,endpoint\n1,a\n\n2,a\n", ":3: the row has 1 cells; the header has 2 columns.")]
    [InlineData("time_s,endpoint\n1,\n", ":2: endpoint is empty.")]
    [InlineData("time_s,endpoint\n-1,a\n", ":2: time_s is '-1'; allowed is a number from 0 to 100000000.")]
    [InlineData("time_s,endpoint\nNaN,a\n", ":2: time_s is 'NaN'; allowed is a number from 0 to 100000000.")]
    [InlineData("time_s,endpoint,memory_mib\n1,a,0.5\n", ":2: memory_mib is '0.5'; allowed is a whole number from 1 to 16777216.")]
    [InlineData("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:00:01,1,1\n2023-11-16 18:00:00,1,1\n", ":3: TIMESTAMP is 2023-11-16 18:00:00, earlier than the row before: time goes forward.")]
    [InlineData("TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,1\n", ":2: TIMESTAMP is 'yesterday'; allowed is a time such as 2023-11-16 18:17:03.9799600.")]
    [InlineData("app,func,end_timestamp,duration\na,f,1,2\n", ":2: duration is 2, longer than the 1 s from the start of the trace to end_timestamp; allowed is 0 to 1.")]
    [InlineData("app,func,end_timestamp,duration\na,f,50,1\na,f,20,1\n", ":3: it began at 19 s, after a row that began at 49 s: rows must be in order of their start, or of end_timestamp.")]
    [InlineData("HashOwner,HashApp,HashFunction,Trigger,1,3\no,a,f,http,1,1\n", ":1: the column after minute 1 is '3'; '2' is needed: minutes have no holes.")]
    [InlineData(Minutes + "o,a,f,http,1,,1\n", ":2: 2 is empty.")]
    [InlineData(Minutes + "o,a,f,http,1,x,1\n", ":2: 2 is 'x'; allowed is a whole number from 0 to 10000000.")]
    [InlineData(Minutes + "o,a,f,http,1,1,1\no,a,f,http,1,1,1\n", ":3: the function a/f has a row already; one row a function is needed.")]
    [InlineData(Minutes + "o,a,f,http,0,0,0\n", ": It has no invocations; at least one is needed.")]
    public void A_trace_that_cannot_be_used_is_refused_with_its_place(string text, string message)
    {
        var refused = Assert.Throws<TraceException>(() => Read(text));

        Assert.StartsWith(Path.Combine(_folder.FullName, "trace.csv") + message, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Azure_functions_2021_begin_at_their_end_less_their_duration()
    {
        var load = Read("app,func,end_timestamp,duration\na,f,10,9.5\na,g,3,1\na,f,12,1\n");

        Assert.Equal(["a/f", "a/g"], load.Endpoints.Select(e => e.Name));
        Assert.Equal([(0.5, 9_500), (11, 1_000)], All(load.Endpoints[0]));
        Assert.Equal(TimeSpan.FromSeconds(12), load.Duration);
    }

    [Fact]
    public void Azure_llm_runs_as_long_as_its_tokens_take()
    {
        var load = Read("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,1000,10\n2023-11-16 18:17:04.4799600,0,1\n");

        Assert.Equal([(0, 400), (0.5, 20)], All(Assert.Single(load.Endpoints)));
    }

    [Fact]
    public void The_times_of_the_llm_trace_of_2024_have_an_offset()
    {
        var load = Read("TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00.009930+00:00,0,1\n2024-05-10 02:00:01.009930+02:00,0,2\n2024-05-10 00:00:03+00:00,0,1\n");

        Assert.Equal([0, 1, 2.99007], All(Assert.Single(load.Endpoints)).Select(a => a.At));
    }

    [Fact]
    public void Azure_functions_2019_come_in_their_minutes_and_run_within_their_percentiles()
    {
        Write("invocations.csv", Minutes + "o,a,f,http,2,0,40\no,a,g,timer,0,1,0\n");
        Write("durations.csv", Percentiles + "o,a,f,100,2,90,300,90,90,95,100,150,290,300\n");
        Write("memory.csv", "HashOwner,HashApp,SampleCount,AverageAllocatedMb\no,a,5,120.5\n");

        var load = TraceReader.Read(_folder.FullName, new TraceOptions());

        Assert.Equal((43, TimeSpan.FromMinutes(3)), (load.Invocations, load.Duration));
        Assert.Equal([121, 121], load.Endpoints.Select(e => e.MemoryMib));
        Assert.Equal(["1 of 2 functions have no durations: --run-time stands in for them."], load.Notes);
        var arrivals = All(load.Endpoints[0]);
        Assert.Equal([0, 0, .. Enumerable.Repeat(2, 40)], arrivals.Select(a => (int)(a.At / 60)));
        Assert.Equal(arrivals.OrderBy(a => a.At), arrivals);
        Assert.All(arrivals, a => Assert.InRange(a.RunMs, 90, 300));
        Assert.Equal(arrivals, All(load.Endpoints[0]));
        Assert.NotEqual(arrivals, All(load.Endpoints[0], seed: 2));
    }

    [Fact]
    public void The_names_of_the_data_set_are_known()
    {
        Write("invocations_per_function_md.anon.d01.csv", Minutes + "o,a,f,http,2,0,40\n");
        Write("function_durations_percentiles.anon.d01.csv", Percentiles + "o,a,f,1,2,1,1,7,7,7,7,7,7,7\n");

        Assert.All(All(TraceReader.Read(_folder.FullName, new TraceOptions()).Endpoints[0]), a => Assert.Equal(7, a.RunMs));
    }

    [Fact]
    public void Percentiles_that_go_down_are_refused()
    {
        Write("invocations.csv", Minutes + "o,a,f,http,2,0,40\n");
        Write("durations.csv", Percentiles + "o,a,f,100,2,90,300,90,80,95,100,150,290,300\n");

        var refused = Assert.Throws<TraceException>(() => TraceReader.Read(_folder.FullName, new TraceOptions()));

        Assert.Contains("durations.csv:2: percentile_Average_1 is 80, below the percentile before it, 90; allowed is that or more.", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_without_a_trace_is_refused()
    {
        var refused = Assert.Throws<TraceException>(() => TraceReader.Read(_folder.FullName, new TraceOptions()));

        Assert.Contains("The folder has no invocations.csv", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("azure-functions-2019-sample", 4_525, 4)]
    [InlineData("azure-functions-2021-200.csv", 199, 31)]
    [InlineData("AzureLLMInferenceTrace_code.csv", 8_819, 1)]
    public void The_shared_traces_are_read_whole(string name, int invocations, int endpoints)
    {
        var path = Path.Combine(SharedData.Folder, "traces", name);
        Assert.SkipUnless(Path.Exists(path), "The recorded traces in ../shared/data/traces are absent.");

        var load = TraceReader.Read(path, new TraceOptions());

        Assert.Equal((invocations, endpoints), (load.Invocations, load.Endpoints.Length));
        Assert.Equal(invocations, load.Endpoints.Sum(e => All(e).Count));
    }

    private LoadPlan Read(string text) => TraceReader.Read(Write("trace.csv", text), new TraceOptions());

    private string Write(string name, string text)
    {
        var path = Path.Combine(_folder.FullName, name);
        File.WriteAllText(path, text);
        return path;
    }

    private static List<(double At, double RunMs)> All(EndpointLoad endpoint, ulong seed = 1)
    {
        var all = new List<(double, double)>();
        var stream = endpoint.Open(seed);
        while (stream.TryNext(out var arrival))
        {
            all.Add((new TimeSpan(arrival.At.Ticks).TotalSeconds, arrival.RunTime.TotalMilliseconds));
        }

        return all;
    }
}
