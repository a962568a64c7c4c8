using System.Collections.Immutable;
using Dormouse.Worker.Engine;
using Microsoft.ML.OnnxRuntime;

namespace Dormouse.Worker.Tests.Engine;

public sealed class EngineSettingsTests
{
    [Theory]
    [InlineData("session.optimized_model_external_initializers_file_name")]
    [InlineData("session.model_external_initializers_file_folder_path")]
    [InlineData("session.optimized_model_filepath")]
    [InlineData("session.collect_node_memory_stats_to_file")]
    [InlineData("session.node_partition_config_file")]
    [InlineData("session.enable_profiling")]
    [InlineData("session.load_model_format")]
    [InlineData("session.use_memory_mapped_ort_model")]
    [InlineData("session.use_ort_model_bytes_directly")]
    [InlineData("ep.context_file_path")]
    [InlineData("ep.context_enable")]
    [InlineData("session.debug_layout_transformation")]
    public void Settings_that_decide_about_files_are_refused(string key) => Assert.Contains("cannot be set", Refusal(key, "x"), StringComparison.Ordinal);

    [Theory]
    [InlineData("intra_op_num_threads", "0", "1 to 256")]
    [InlineData("intra_op_num_threads", "many", "1 to 256")]
    [InlineData("graph_optimization_level", "most", "disable, basic, extended or all")]
    [InlineData("execution_mode", "both", "sequential or parallel")]
    [InlineData("enable_cpu_mem_arena", "maybe", "0 or 1")]
    [InlineData("optimisation", "on", "is not known")]
    public void Values_and_names_that_make_no_sense_are_refused_with_what_is_allowed(string key, string value, string words) =>
        Assert.Contains(words, Refusal(key, value), StringComparison.Ordinal);

    [Theory]
    [InlineData("session.set_denormal_as_zero", "1", true)]
    [InlineData("session.intra_op.allow_spinning", "1", true)]
    [InlineData("intra_op_num_threads", "2", true)]
    [InlineData("enable_cpu_mem_arena", "1", true)]
    [InlineData("graph_optimization_level", "all", true)]
    [InlineData("graph_optimization_level", "extended", false)]
    [InlineData("optimization.disable_specified_optimizers", "ConstantFolding", false)]
    [InlineData("session.disable_quant_qdq", "1", false)]
    [InlineData("free_dimension.batch", "1", false)]
    public void Only_settings_that_leave_the_graph_alone_go_with_the_shared_optimised_file(string key, string value, bool may)
    {
        var settings = EngineSettings.Parse(1, One(key, value));
        Assert.Equal(may, settings.MayUseOptimised);
        settings.ForOriginal().Dispose();
    }

    [Fact]
    public void Threads_set_by_the_user_take_the_place_of_the_policys() =>
        Assert.Equal(3, EngineSettings.Parse(1, One("session.intra_op_num_threads", "3")).Threads);

    [Fact]
    public void Without_settings_a_session_has_the_policys_threads_no_arena_and_optimises_only_what_is_not_optimised_yet()
    {
        var settings = EngineSettings.Parse(2, ImmutableSortedDictionary<string, string>.Empty);
        using var original = settings.ForOriginal();
        using var optimised = settings.ForOptimised();

        Assert.All([original, optimised], o => Assert.Equal((2, 1, false, ExecutionMode.ORT_SEQUENTIAL), (o.IntraOpNumThreads, o.InterOpNumThreads, o.EnableCpuMemArena, o.ExecutionMode)));
        Assert.Equal(GraphOptimizationLevel.ORT_ENABLE_ALL, original.GraphOptimizationLevel);
        Assert.Equal(GraphOptimizationLevel.ORT_DISABLE_ALL, optimised.GraphOptimizationLevel);
        Assert.True(settings.MayUseOptimised);
    }

    private static string Refusal(string key, string value) => Assert.Throws<ModelRefusedException>(() => EngineSettings.Parse(1, One(key, value))).Message;

    private static ImmutableSortedDictionary<string, string> One(string key, string value) => ImmutableSortedDictionary<string, string>.Empty.Add(key, value);
}
