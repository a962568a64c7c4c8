using System.Text;
using Dormouse.Simulation.Knative;

namespace Dormouse.Simulation.Tests.Knative;

public sealed class KnativeRecordingTests
{
    private const string Samples = "[[0, 1, 1], [1, 1, 1], [2, 1, 1]]";
    private const string Ticks = "[[2, 0, 1, 1, 1, 1, 0, 0, -202]]";

    [Theory]
    [InlineData("", "It is not JSON of the format kpa-trace-1: line 1 cannot be read.")]
    [InlineData("[1, 2]", "It is not JSON of the format kpa-trace-1: line 1 cannot be read.")]
    [InlineData("null", "'format' is ''; only 'kpa-trace-1' is read.")]
    [InlineData("""{ "format": "kpa-trace-9" }""", "'format' is 'kpa-trace-9'; only 'kpa-trace-1' is read.")]
    [InlineData("""{ "format": "kpa-trace-1" }""", "'samples' is missing.")]
    public void What_is_no_recording_is_refused(string json, string message) => Refuses(json, message);

    [Theory]
    [InlineData("[[0, 1, 1], [2, 1, 1]]", "'samples[1]': its second is 2, after 0: one sample for every second is needed, in order.")]
    [InlineData("[[0, 1, 1], [1, 1, 1], [0, 1, 1]]", "'samples[2]': its second is 0, after 1: one sample for every second is needed, in order.")]
    [InlineData("[[0, -1, 1]]", "'samples[0]': its load is below 0.")]
    [InlineData("[[0, 1]]", "'samples[0]': it has 2 columns instead of 3.")]
    [InlineData("[[0.5, 1, 1]]", "'samples[0]': column 1 is 0.5, not a whole number of 0 or more.")]
    [InlineData("[[0, 1, null]]", "'samples[0]': column 3 is null.")]
    [InlineData("[]", "'samples' is empty.")]
    [InlineData("[[0, \"x\", 1]]", "It is not JSON of the format kpa-trace-1: 'samples[0][1]' cannot be read (line 1).")]
    public void A_load_with_holes_or_going_back_in_time_is_refused(string samples, string message) =>
        Refuses($$"""{ "format": "kpa-trace-1", "settings": {}, "samples": {{samples}}, "ticks": {{Ticks}} }""", message);

    [Theory]
    [InlineData("[[2, 0, 1, 1, 1, 1, 0, 0, -202], [2, 0, 1, 1, 1, 1, 0, 0, -202]]", "'ticks[1]': its second is 2, after 2: time goes forward.")]
    [InlineData("[[4, 0, 1, 1, 1, 1, 0, 0, -202]]", "'ticks[0]': its second 4 has no sample; those go from 0 to 2.")]
    [InlineData("[[2, 0, 1, null, 1, 1, 0, 0, -202]]", "'ticks[0]': column 4 is null.")]
    [InlineData("[]", "'ticks' is empty.")]
    public void Decisions_without_a_load_are_refused(string ticks, string message) =>
        Refuses($$"""{ "format": "kpa-trace-1", "settings": {}, "samples": {{Samples}}, "ticks": {{ticks}} }""", message);

    [Theory]
    [InlineData("""{ "target_value": 0 }""", "'settings.target_value' is 0; allowed is above 0.")]
    [InlineData("""{ "stable_window_s": 0.5 }""", "'settings.stable_window_s' is 0.5; allowed is 1 to 3600.")]
    [InlineData("""{ "panic_window_s": 61 }""", "'settings.panic_window_s' is 61; allowed is 1 to the stable window.")]
    [InlineData("""{ "bucket_s": 2 }""", "'settings.bucket_s' is 2; allowed is 1.")]
    [InlineData("""{ "max_scale_down_rate": 0.5 }""", "'settings.max_scale_down_rate' is 0.5; allowed is 1 or more.")]
    [InlineData("""{ "min_scale": 3, "max_scale": 2 }""", "'settings.min_scale' is 3; allowed is 0 to max_scale.")]
    public void Settings_out_of_range_are_refused_by_name(string settings, string message) =>
        Refuses($$"""{ "format": "kpa-trace-1", "settings": {{settings}}, "samples": {{Samples}}, "ticks": {{Ticks}} }""", message);

    private static void Refuses(string json, string message)
    {
        var refused = Assert.Throws<RecordingException>(() => KnativeRecording.Parse(Encoding.UTF8.GetBytes(json)));

        Assert.Equal(message, refused.Message);
    }
}
