using System.Text;

namespace Dormouse.EndToEnd.Tests.Hostile;

/// <summary>Files that cannot be served are refused at deploy with the reason; unverified ones at their start with the same.</summary>
public sealed class ModelTests(HostileServer hostile) : HostileTests(hostile)
{
    [Fact]
    public Task A_text_file_is_refused() => RefusedAsync("text"u8.ToArray(), "not an ONNX model");

    [Fact]
    public Task Random_bytes_are_refused() => RefusedAsync([0xFF, 0x00, 0x12, 0x99, 0x07, 0xFF, 0xFF, 0xFF], "not an ONNX model");

    [Fact]
    public Task An_empty_file_is_refused() => RefusedAsync([], "empty (0 bytes)");

    [Fact]
    public Task A_file_cut_in_the_middle_is_refused() => RefusedAsync(HostileModels.Relu()[..40], "ends early", "40 bytes");

    [Fact]
    public Task A_Git_LFS_pointer_is_refused_with_what_to_do() =>
        RefusedAsync(Encoding.UTF8.GetBytes("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n"), "Git LFS pointer", "git lfs pull");

    [Fact]
    public Task A_future_operator_set_is_refused_with_both_numbers() => RefusedAsync(HostileModels.Relu(opset: 99), "operator set 99", "up to ");

    [Fact]
    public Task A_future_IR_version_is_refused_with_both_numbers() => RefusedAsync(HostileModels.Relu(ir: 99), "IR version 99", "up to ");

    [Fact]
    public Task An_unknown_operator_is_named() => RefusedAsync(HostileModels.Unknown(), "'Frobnicate'", "ai.onnx");

    [Fact]
    public Task An_operator_of_an_unknown_domain_is_named() => RefusedAsync(HostileModels.UnknownOf("com.example"), "'Frobnicate'", "com.example");

    [Theory]
    [InlineData("/etc/passwd")]
    [InlineData("../../../../../../etc/passwd")]
    [InlineData("weights/../../outside.bin")]
    public Task Weights_outside_the_package_are_refused_before_the_engine_reads_them(string location) =>
        RefusedAsync(HostileModels.External(location), "Tensor 'w'", location, "only a relative path");

    [Fact]
    public Task Weights_that_were_not_sent_along_are_named() => RefusedAsync(HostileModels.External("weights.bin"), "'weights.bin'", "not in the package");

    [Theory]
    [InlineData("text", "not an ONNX model")]
    [InlineData("outside", "only a relative path")]
    [InlineData("unknown", "'Frobnicate'")]
    public async Task A_bad_model_that_was_not_verified_is_refused_at_its_start_with_the_same_reason(string kind, string reason)
    {
        var model = kind switch { "text" => "text"u8.ToArray(), "outside" => HostileModels.External("/etc/passwd"), _ => HostileModels.Unknown() };
        await DeployAsync("unverified-" + kind, model, verify: false);

        var detail = await Refusal.AssertAsync(await InferAsync("unverified-" + kind, new Inference.Tensor("x", "FP32", [2], new byte[8])), 503, "start_failed", reason);

        Assert.DoesNotContain("root:", detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../model.onnx", "'..'")]
    [InlineData("/etc/model.onnx", "absolute")]
    [InlineData("a/../../model.onnx", "'..'")]
    [InlineData("a\\model.onnx", "backslash")]
    [InlineData("a//model.onnx", "empty")]
    [InlineData("a\0.onnx", "control character")]
    public async Task A_path_that_leads_out_of_the_package_is_refused(string path, string word) =>
        await Refusal.AssertAsync(await Server.TryDeployAsync("paths", [(path, HostileModels.Relu())], Cancelled), 422, "package_invalid", word);

    [Fact]
    public async Task A_package_without_a_model_is_refused() =>
        await Refusal.AssertAsync(await Server.TryDeployAsync("paths", [("readme.txt", "text"u8.ToArray())], Cancelled), 422, "package_invalid", "*.onnx");

    [Fact]
    public async Task A_refused_deploy_leaves_the_revision_that_serves()
    {
        await DeployAsync("kept", HostileModels.Line());
        await Refusal.AssertAsync(await Server.TryDeployAsync("kept", [("model.onnx", "text"u8.ToArray())], Cancelled), 422, "model_invalid", "not an ONNX model");

        using var answered = await InferAsync("kept", new Inference.Tensor("x", "FP32", [2], new byte[8]));

        Assert.True(answered.IsSuccessStatusCode);
        var revisions = (await Server.GetAsync("/api/v1/endpoints/kept/revisions", Cancelled))["revisions"]!.AsArray();
        Assert.Equal(["failed", "ready"], revisions.Select(r => r!["state"]!.GetValue<string>()));
        Assert.Contains("not an ONNX model", revisions[0]!["failure"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    private async Task RefusedAsync(byte[] model, params string[] words)
    {
        await Refusal.AssertAsync(await Server.TryDeployAsync("refused", [("model.onnx", model)], Cancelled), 422, "model_invalid", words);
        await Refusal.AssertAsync(await InferAsync("refused", "{}"), 422, "model_invalid", "refused");
    }
}
