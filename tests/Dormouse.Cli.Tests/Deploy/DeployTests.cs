using System.Text;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Signatures;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Cli.Tests.Deploy;

public sealed class DeployTests : ServerTests
{
    [Fact]
    public async Task A_file_becomes_an_endpoint_named_after_it()
    {
        var file = Shell.Write("My Digits_v2.onnx", new byte[31_000]);

        var result = (await Shell.RunAsync("deploy", file)).Done();

        Assert.Equal(
            $"""
            uploaded 31 KB · verified: image float32[n,1,28,28] → scores float32[n,10] · optimised, loads in 0.3 ms
            my-digits-v2 r1 is live at {Server.Address}v2/models/my-digits-v2/infer (nothing runs until it is called)

            """,
            result.Out);
        Assert.Equal(["My Digits_v2.onnx"], Server.Files(Server.Endpoint("my-digits-v2").Revisions[0]).Keys);
    }

    [Fact]
    public async Task A_second_deploy_sends_nothing_and_makes_the_next_revision()
    {
        var file = Shell.Write("digits.onnx", new byte[31_000]);
        (await Shell.RunAsync("deploy", file)).Done();

        var result = (await Shell.RunAsync("deploy", file, "--memory", "1GiB")).Done();

        Assert.Contains("31 KB were already there", result.Out, StringComparison.Ordinal);
        Assert.Contains("digits r2 is live", result.Out, StringComparison.Ordinal);
        Assert.Equal(31_000, Server.UploadedBytes);
        Assert.Equal("1GiB", Server.Endpoint("digits").Revisions[0].Settings.Memory);
    }

    [Fact]
    public async Task A_deploy_to_an_unloaded_endpoint_says_so_and_what_loads_it()
    {
        var file = Shell.Write("digits.onnx", "model");
        (await Shell.RunAsync("deploy", file)).Done();
        Server.Put(Server.Endpoint("digits") with { Status = "unloaded" });

        var deployed = (await Shell.RunAsync("deploy", file)).Done();
        var applied = (await Shell.RunAsync("apply", "-f", Shell.Write("dormouse.yaml", "endpoints: { digits: { source: digits.onnx } }"))).Done();
        var loaded = (await Shell.RunAsync("load", "digits")).Done();

        Assert.EndsWith("digits r2 is ready; digits is unloaded and refuses calls ('dormouse load digits' makes it serve again)\n", deployed.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("live", deployed.Out, StringComparison.Ordinal);
        Assert.Contains("digits is unloaded and refuses calls", applied.Error, StringComparison.Ordinal);
        Assert.Equal("digits is loaded: it takes calls\n", loaded.Out);
        Assert.Equal("idle", Server.Endpoint("digits").Status);
    }

    [Fact]
    public async Task Every_setting_reaches_the_server()
    {
        var file = Shell.Write("digits.onnx", "model");

        (await Shell.RunAsync(
            "deploy", file, "--runtime", "onnx", "--memory", "256MiB", "--cpu", "1.5", "--reserve-cpu", "0.5", "--concurrency", "3", "--batch-max", "4", "--batch-delay", "2ms", "--min-instances", "1", "--provisioned", "2", "--spare", "1", "--target", "0.7", "--scale-down-delay", "30s", "--target-rps", "50", "--stable-window", "2m", "--panic-window", "5s", "--panic-threshold", "3", "--max-scale-up-rate", "10", "--max-scale-down-rate", "1.5", "--initial-instances", "1", "--activation-instances", "2", "--scale-to-zero-grace", "20s", "--floor", "0 8 * * * for 1h = 1", "--floor", "@daily UTC for 2h = 2", "--max-instances", "2",
            "--idle-timeout", "5s", "--frozen-for", "10m", "--timeout", "6s", "--start-timeout", "7s", "--queue-timeout", "8s", "--queue-limit", "9", "--queue-limit-bytes", "10MiB",
            "--env", "A=1", "--env", "B=x=y", "--engine", "session.k=v", "--public")).Done();

        var endpoint = Server.Endpoint("digits");
        var settings = endpoint.Revisions[0].Settings;
        Assert.True(endpoint.Public);
        Assert.Equal(("onnx", "256MiB", 1.5, 3, 1, 2), (settings.Runtime, settings.Memory, settings.Cpu, settings.Concurrency?.Number, settings.MinInstances, settings.MaxInstances));
        Assert.Equal(0.5, settings.ReserveCpu);
        Assert.Equal((2, 1, 0.7, "30s"), (settings.Provisioned, settings.SpareInstances, settings.TargetUtilization, settings.ScaleDownDelay));
        Assert.Equal(["0 8 * * * UTC for 1h = 1", "@daily UTC for 2h = 2"], settings.Floors!);
        Assert.Equal(("5s", "10m"), (settings.IdleTimeout, settings.FrozenFor));
        Assert.Equal(("6s", "7s", "8s", 9, "10MiB"), (settings.Timeout, settings.StartTimeout, settings.QueueTimeout, settings.QueueLimit, settings.QueueLimitBytes));
        Assert.Equal((4, "2ms"), (settings.BatchMax, settings.BatchDelay));
        Assert.Equal((50d, "2m", "5s", 3d), (settings.TargetRps, settings.StableWindow, settings.PanicWindow, settings.PanicThreshold));
        Assert.Equal((10d, 1.5, 1, 2, "20s"), (settings.MaxScaleUpRate, settings.MaxScaleDownRate, settings.InitialInstances, settings.ActivationInstances, settings.ScaleToZeroGrace));
        Assert.Equal(["A=1", "B=x=y"], settings.Environment!.Select(e => e.Key + "=" + e.Value));
        Assert.Equal(["session.k=v"], settings.Engine!.Select(e => e.Key + "=" + e.Value));
    }

    [Theory]
    [InlineData("unlimited")]
    [InlineData("0")]
    public async Task Concurrency_without_a_limit_is_a_word_or_0(string written)
    {
        var file = Shell.Write("digits.onnx", "model");

        (await Shell.RunAsync("deploy", file, "--concurrency", written, "--target-concurrency", "20")).Done();

        var settings = Server.Endpoint("digits").Revisions[0].Settings;
        Assert.Equal((true, 20d), (settings.Concurrency is { IsUnlimited: true }, settings.TargetConcurrency));
        var described = (await Shell.RunAsync("describe", "digits")).Done().Out;
        Assert.Matches("concurrency +unlimited", described);
        Assert.Matches("target_concurrency +20", described);
    }

    [Fact]
    public async Task A_folder_is_sent_whole_but_for_hidden_files()
    {
        Shell.Write("mobilenet/model.onnx", "model");
        Shell.Write("mobilenet/weights/part.bin", "weights");
        Shell.Write("mobilenet/signature.yaml", "labels: {}");
        Shell.Write("mobilenet/.git/config", "no");
        Shell.Write("mobilenet/.hidden", "no");

        (await Shell.RunAsync("deploy", Path.Combine(Shell.Folder, "mobilenet") + "/")).Done();

        Assert.Equal(["model.onnx", "signature.yaml", "weights/part.bin"], Server.Files(Server.Endpoint("mobilenet").Revisions[0]).Keys);
    }

    [Fact]
    public async Task Versions_of_a_Triton_folder_become_revisions_in_ascending_order()
    {
        Shell.Write("resnet/10/model.onnx", "ten");
        Shell.Write("resnet/2/model.onnx", "two");
        Shell.Write("resnet/2/labels.txt", "own");
        Shell.Write("resnet/labels.txt", "shared");
        Shell.Write("resnet/config.pbtxt", "name: \"resnet\"");
        Shell.Write("resnet/notes.md", "left out");

        var result = (await Shell.RunAsync("deploy", Path.Combine(Shell.Folder, "resnet"))).Done();

        var revisions = Server.Endpoint("resnet").Revisions.Reverse().Select(r => Server.Files(r).ToDictionary(f => f.Key, f => Encoding.UTF8.GetString(f.Value))).ToArray();
        Assert.Equal(["two", "ten"], revisions.Select(r => r["model.onnx"]));
        Assert.Equal(["own", "shared"], revisions.Select(r => r["labels.txt"]));
        Assert.All(revisions, r => Assert.Equal(["config.pbtxt", "labels.txt", "model.onnx"], r.Keys.Order()));
        Assert.Contains("version 2: uploaded", result.Out, StringComparison.Ordinal);
        Assert.Contains("resnet r2 is live", result.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_at_an_address_is_fetched_by_the_command_line()
    {
        Server.Handlers["files"] = context => context.Request.Path.Value!.EndsWith("/moved", StringComparison.Ordinal)
            ? context.Response.WriteAsync("far model")
            : Task.Run(() => context.Response.Redirect("/invoke/files/moved"));

        (await Shell.RunAsync("deploy", $"{Server.Address}invoke/files/Far%20Model.onnx?download=1")).Done();

        Assert.Equal("far model", Encoding.UTF8.GetString(Server.Files(Server.Endpoint("far-model").Revisions[0])["Far Model.onnx"]));
        Assert.DoesNotContain(Directory.EnumerateDirectories(Path.GetTempPath(), "dormouse-??????"), d => File.Exists(Path.Combine(d, "Far Model.onnx")));
    }

    [Fact]
    public async Task Addresses_without_encryption_are_refused()
    {
        var result = await Shell.RunAsync("deploy", "http://example.org/model.onnx");

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains("only https addresses are", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_redirect_to_an_address_without_encryption_is_refused()
    {
        Server.Handlers["files"] = context => Task.Run(() => context.Response.Redirect("http://example.org/model.onnx"));

        var result = await Shell.RunAsync("deploy", $"{Server.Address}invoke/files/m.onnx");

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains("http://example.org/model.onnx is not fetched", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_is_larger_than_allowed_is_not_fetched_to_the_end()
    {
        Server.Handlers["files"] = async context =>
        {
            for (var i = 0; i < 100; i++)
            {
                await context.Response.Body.WriteAsync(new byte[1000], context.RequestAborted);
            }
        };
        using var session = new Cli.Connection.Session(Shell.Surroundings(TextWriter.Null, TextWriter.Null, Stream.Null), OutputFormat.Table, null, null);

        var error = await Assert.ThrowsAsync<CommandException>(
            () => Cli.Deploy.RemoteSource.FetchAsync(session, $"{Server.Address}invoke/files/m.onnx", 50_000, TestContext.Current.CancellationToken));

        Assert.Contains("larger than 50 KB", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_download_that_breaks_off_is_named_and_leaves_nothing()
    {
        Server.Handlers["files"] = async context =>
        {
            context.Response.ContentLength = 100_000;
            await context.Response.Body.WriteAsync(new byte[1000], context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            // Fewer bytes than it said: the connection ends behind them.
        };

        var name = $"broken-{Path.GetFileName(Shell.Folder)}.onnx";

        var result = await Shell.RunAsync("deploy", $"{Server.Address}invoke/files/{name}");

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains(name + " broke off while it was fetched", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(Server.Requests, r => r.Contains("/api/v1/", StringComparison.Ordinal));
        Assert.DoesNotContain(Directory.EnumerateDirectories(Path.GetTempPath(), "dormouse-??????"), d => File.Exists(Path.Combine(d, name)));
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "is a Git LFS pointer")]
    public async Task Files_that_are_no_models_are_refused_before_anything_is_sent(string content, string sentence)
    {
        var file = Shell.Write("digits.onnx", content);

        var result = await Shell.RunAsync("deploy", file);

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains(sentence, result.Error, StringComparison.Ordinal);
        Assert.Empty(Server.Requests);
    }

    [Theory]
    [InlineData("readme --name x", "is no model: a file that ends in .onnx is needed.")]
    [InlineData("nested", "is no model: a file that ends in .onnx is needed. There is sub/model.onnx.")]
    [InlineData("two", "holds 2 models (a.onnx, b.onnx). Name one of them, or call the one that is meant model.onnx.")]
    [InlineData("triton", "Version 2 of")]
    [InlineData("two/a.onnx --name Not_Good", "The name 'Not_Good' may hold only")]
    [InlineData("two/a.onnx --name models", "is reserved")]
    [InlineData("two/a.onnx --memory lots", "memory is 'lots'; allowed is")]
    [InlineData("two/a.onnx --keep-alive often", "keep_alive is 'often'; allowed are 'learned', 'fixed'.")]
    [InlineData("two/a.onnx --concurrency auto --batch-max 2", "batch_max is 2 and concurrency auto")]
    [InlineData("two/a.onnx --batch-delay 2ms", "batch_delay is 2ms, but batch_max is 1")]
    [InlineData("two/a.onnx --timeout 0s --min-instances 3 --max-instances 2", "timeout is 0s; allowed are")]
    public async Task What_cannot_be_deployed_is_refused_before_anything_is_sent(string line, string sentence)
    {
        Shell.Write("readme", "words");
        Shell.Write("nested/sub/model.onnx", "model");
        Shell.Write("two/a.onnx", "a");
        Shell.Write("two/b.onnx", "b");
        Shell.Write("triton/1/model.onnx", "one");
        Shell.Write("triton/2/model.txt", "two");

        var result = await Shell.RunAsync(["deploy", Path.Combine(Shell.Folder, line.Split(' ')[0]), .. line.Split(' ')[1..]]);

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains(sentence, result.Error, StringComparison.Ordinal);
        Assert.Empty(Server.Requests);
    }

    [Fact]
    public async Task A_missing_file_is_named_with_what_may_have_been_meant()
    {
        Shell.Write("digits.onnx", "model");

        var result = await Shell.RunAsync("deploy", Path.Combine(Shell.Folder, "digit.onnx"));

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains("Did you mean 'digits.onnx'?", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model.onnx")]
    [InlineData("___.onnx")]
    public async Task A_file_name_that_says_nothing_needs_a_name(string name)
    {
        var result = await Shell.RunAsync("deploy", Shell.Write(name, "model"));

        Assert.Equal(ExitCodes.Usage, result.Code);
        Assert.Contains("--name", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refused_model_ends_with_4_and_the_servers_words()
    {
        Server.ModelFault = "The model uses operator 'Foo', which the engine does not know.";

        var result = await Shell.RunAsync("deploy", Shell.Write("digits.onnx", "model"));

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Equal("error: The model uses operator 'Foo', which the engine does not know.\n", result.Error);
    }

    [Fact]
    public async Task Weights_beside_the_model_are_pointed_out()
    {
        Shell.Write("big.onnx.data", "weights");

        var result = (await Shell.RunAsync("deploy", Shell.Write("big.onnx", "model"))).Done();

        Assert.Contains("big.onnx.data lies beside big.onnx and is not sent", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Picture_options_make_a_signature_and_bring_the_labels_along()
    {
        var labels = Shell.Write("classes/names.txt", "zero\none\n");

        (await Shell.RunAsync(
            "deploy", Shell.Write("digits.onnx", "model"), "--picture-size", "28x20", "--picture-channels", "grey", "--picture-fit", "crop", "--picture-layout", "nhwc",
            "--picture-scale", "0.5", "--picture-mean", "0.25", "--picture-deviation", "2", "--picture-padding", "114", "--tensor-name", "picture=image", "--tensor-name", "classes=scores",
            "--labels", labels, "--top-k", "3", "--softmax")).Done();

        var revision = Server.Endpoint("digits").Revisions[0];
        var signature = SignatureRules.Parse(revision.Settings.Signature!, out var errors);
        Assert.Empty(errors);
        var picture = signature!.Picture!;
        Assert.Equal((28, 20, PictureChannels.Grey, PictureFit.Crop, TensorLayout.Nhwc, 0.5), (picture.Width, picture.Height, picture.Channels, picture.Fit, picture.Layout, picture.Scale));
        Assert.Equal((0.25, 2.0, 114), (picture.Mean.Single(), picture.Deviation.Single(), picture.Padding));
        Assert.Equal(["classes=scores", "picture=image"], signature.Names.Select(n => n.Key + "=" + n.Value));
        Assert.Equal(("names.txt", 3, true), (signature.Labels!.File, signature.Labels.Top, signature.Labels.Softmax));
        Assert.Equal(["digits.onnx", "names.txt"], Server.Files(revision).Keys);
    }

    [Fact]
    public async Task A_signature_file_brings_along_the_labels_that_it_names_and_one_that_lies_beside_the_model_is_pointed_out()
    {
        var model = Shell.Write("animals/animals.onnx", "model");
        var signature = Shell.Write("animals/signature.yaml", "labels: { file: names.txt }");
        Shell.Write("animals/names.txt", "cat\ndog\n");

        var without = (await Shell.RunAsync("deploy", model)).Done();
        var with = (await Shell.RunAsync("deploy", model, "--signature", signature)).Done();

        Assert.Contains("signature.yaml lies beside animals.onnx and is not sent", without.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("is not sent", with.Error, StringComparison.Ordinal);
        var revisions = Server.Endpoint("animals").Revisions;
        Assert.Equal(["animals.onnx", "names.txt"], Server.Files(revisions[0]).Keys);
        Assert.Equal(["animals.onnx"], Server.Files(revisions[1]).Keys);
    }

    [Theory]
    [InlineData("--softmax")]
    [InlineData("--picture-padding=3")]
    [InlineData("--tensor-name=picture=image")]
    public async Task A_signature_file_cannot_be_mixed_with_its_options(string option)
    {
        var result = await Shell.RunAsync("deploy", Shell.Write("digits.onnx", "model"), "--signature", Shell.Write("s.yaml", "labels: {}"), option);

        Assert.Equal(ExitCodes.Usage, result.Code);
        Assert.Contains("--signature cannot be used together with", result.Error, StringComparison.Ordinal);
        Assert.Empty(Server.Requests);
    }

    [Theory]
    [InlineData("two plain names mean the same tensor", "a=image", "b=image")]
    [InlineData("gives the name 'a' twice", "a=image", "a=scores")]
    [InlineData("write it like NAME=VALUE", "image", "a=image")]
    public async Task Names_of_tensors_that_cannot_be_meant_are_refused(string sentence, string first, string second)
    {
        var result = await Shell.RunAsync("deploy", Shell.Write("digits.onnx", "model"), "--tensor-name", first, "--tensor-name", second);

        Assert.Equal(ExitCodes.Usage, result.Code);
        Assert.Contains(sentence, result.Error, StringComparison.Ordinal);
        Assert.Empty(Server.Requests);
    }

    [Fact]
    public async Task Without_verifying_or_waiting_the_report_says_so()
    {
        var file = Shell.Write("digits.onnx", "model");

        Assert.Contains("not verified", (await Shell.RunAsync("deploy", file, "--no-verify")).Done().Out, StringComparison.Ordinal);
        Assert.Contains("digits r2 is being verified", (await Shell.RunAsync("deploy", file, "--no-wait")).Done().Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Json_output_is_one_snake_case_document()
    {
        var result = (await Shell.RunAsync("deploy", Shell.Write("digits.onnx", "model"), "-o", "json")).Done();

        Assert.Equal(5, result.Json.GetProperty("uploaded_bytes").GetInt32());
        Assert.Equal("r1", result.Json.GetProperty("revisions")[0].GetProperty("name").GetString());
        Assert.Equal("idle", result.Json.GetProperty("endpoint").GetProperty("status").GetString());
        Assert.Empty(result.Error);
    }

    [Fact]
    public async Task A_large_upload_shows_plain_lines_without_a_terminal()
    {
        var result = (await Shell.RunAsync("deploy", Shell.Write("big.onnx", new byte[5_000_000]))).Done();

        Assert.Contains("uploading big: 5.0 MB", result.Error, StringComparison.Ordinal);
        Assert.Contains("uploading big: 50 %", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("\u001b", result.Error, StringComparison.Ordinal);
    }
}
