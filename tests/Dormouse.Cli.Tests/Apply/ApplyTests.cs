using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Tests.Apply;

public sealed class ApplyTests : ServerTests
{
    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        Shell.Write("digits/model.onnx", "model one");
        Shell.Write("digits/signature.yaml", "picture: { width: 8, height: 8, channels: grey, mean: [-1] }\nlabels: { top: 3 }\n");
    }

    [Fact]
    public async Task Applying_twice_changes_nothing_the_second_time()
    {
        var file = File(
            """
            endpoints:
              digits:
                source: digits
                memory: 1024MiB
                cpu: 1.5
                reserve_cpu: 0.5
                concurrency: auto
                idle_timeout: 120s
                frozen_for: 600s
                provisioned: 1
                target_utilization: 0.7
                scale_down_delay: 120s
                target_rps: 50
                stable_window: 60s
                panic_threshold: 2
                max_scale_down_rate: 1.5
                activation_instances: 1
                scale_to_zero_grace: 90s
                floors: ["0 8 * * MON-FRI Europe/Berlin  for 600m = 1", "@daily for 1h = 1"]
                isolation: process
                network: outbound
                env: { MODE: fast }
                engine: { session.intra_op.allow_spinning: "0" }
                public: true
              iris:
                source: digits/model.onnx
                network: none
                concurrency: 2
                batch_max: 8
                batch_delay: 0.002s
                signature: { labels: { top: 2, softmax: true } }
              many:
                source: digits/model.onnx
                concurrency: 0
                target_concurrency: 20
            """);

        var first = (await Shell.RunAsync("apply", "-f", file)).Done();
        var second = (await Shell.RunAsync("apply", "-f", file)).Done();
        var difference = (await Shell.RunAsync("diff", "-f", file)).Done();

        Assert.Contains("digits: made, r1", first.Out, StringComparison.Ordinal);
        Assert.Equal("digits: unchanged\niris: unchanged\nmany: unchanged\n", second.Out);
        Assert.Equal("", difference.Out);
        Assert.Single(Server.Endpoint("digits").Revisions);
        Assert.Equal("1GiB", Server.Endpoint("digits").Revisions[0].Settings.Memory);
    }

    [Fact]
    public async Task Floors_that_are_taken_out_of_the_file_or_make_no_sense_are_told()
    {
        (await Shell.RunAsync("apply", "-f", File("endpoints: { digits: { source: digits, floors: [\"0 8 * * * for 1h = 1\"] } }"))).Done();

        var without = await Shell.RunAsync("diff", "-f", File("endpoints: { digits: { source: digits } }"));
        var wrong = await Shell.RunAsync("diff", "-f", File("endpoints: { digits: { source: digits, floors: [\"0 0 30 2 * for 1h = 1\"] } }"));
        var noList = await Shell.RunAsync("diff", "-f", File("endpoints: { digits: { source: digits, floors: daily } }"));

        Assert.Contains("floors: 0 8 * * * UTC for 1h = 1 → not set", without.Out, StringComparison.Ordinal);
        Assert.Contains("endpoints.digits.floors: floors has '0 0 30 2 * UTC for 1h = 1', whose cron expression '0 0 30 2 *' never fires", wrong.Error, StringComparison.Ordinal);
        Assert.Contains("endpoints.digits.floors: A list of texts is needed here. It is 'daily'.", noList.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_difference_is_shown_ends_with_1_and_is_gone_after_apply()
    {
        (await Shell.RunAsync("apply", "-f", File("endpoints: { digits: { source: digits, env: { A: one } } }"))).Done();
        Shell.Write("digits/model.onnx", "model two");
        var file = File("endpoints: { digits: { source: digits, memory: 1GiB, public: true } }");

        var difference = await Shell.RunAsync("diff", "-f", file);

        Assert.Equal(ExitCodes.Failed, difference.Code);
        Assert.Equal("digits:", difference.Out.Split('\n')[0]);
        Assert.Contains("  memory: 512MiB → 1GiB\n", difference.Out, StringComparison.Ordinal);
        Assert.Contains("  env.A: one → not set\n", difference.Out, StringComparison.Ordinal);
        Assert.Contains("  public: false → true\n", difference.Out, StringComparison.Ordinal);
        Assert.Matches("  model.onnx: [0-9a-f]{12} → [0-9a-f]{12}\n", difference.Out);
        Assert.Single(Server.Endpoint("digits").Revisions);

        (await Shell.RunAsync("apply", "-f", file)).Done();
        (await Shell.RunAsync("diff", "-f", file)).Done();
        Assert.Equal(2, Server.Endpoint("digits").Revisions.Length);
    }

    [Fact]
    public async Task A_setting_that_is_taken_out_of_the_file_returns_to_its_default()
    {
        (await Shell.RunAsync("apply", "-f", File("endpoints: { digits: { source: digits, timeout: 5s } }"))).Done();

        var difference = await Shell.RunAsync("diff", "-f", File("endpoints: { digits: { source: digits } }"));

        Assert.Contains("timeout: 5s → ", difference.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Access_alone_changes_without_a_new_revision()
    {
        (await Shell.RunAsync("apply", "-f", File("endpoints: { digits: { source: digits } }"))).Done();

        var result = (await Shell.RunAsync("apply", "-f", File("endpoints: { digits: { source: digits, public: true } }"))).Done();

        Assert.Equal("digits: changed\n  public: false → true\n", result.Out);
        Assert.True(Server.Endpoint("digits").Public);
        Assert.Single(Server.Endpoint("digits").Revisions);
    }

    [Fact]
    public async Task Traffic_is_part_of_the_wanted_state()
    {
        (await Shell.RunAsync("apply", "-f", File("endpoints: { digits: { source: digits } }"))).Done();
        (await Shell.RunAsync("deploy", Path.Combine(Shell.Folder, "digits"))).Done();
        var shared = File("endpoints: { digits: { source: digits, traffic: { r1: 90, r2: 10 } } }");

        (await Shell.RunAsync("apply", "-f", shared)).Done();

        Assert.Equal(["r1=90", "r2=10"], Server.Endpoint("digits").Traffic.Select(t => $"{t.Key}={t.Value}"));
        (await Shell.RunAsync("diff", "-f", shared)).Done();
        Assert.Equal(2, Server.Endpoint("digits").Revisions.Length);
    }

    [Fact]
    public async Task After_a_rollback_apply_gives_the_traffic_back_to_the_newest_revision()
    {
        var file = File("endpoints: { digits: { source: digits } }");
        (await Shell.RunAsync("apply", "-f", file)).Done();
        (await Shell.RunAsync("deploy", Path.Combine(Shell.Folder, "digits"))).Done();
        (await Shell.RunAsync("rollback", "digits")).Done();

        var result = (await Shell.RunAsync("apply", "-f", file)).Done();

        Assert.Contains("traffic: r1=100 → r2=100", result.Out, StringComparison.Ordinal);
        Assert.Equal(2, Server.Endpoint("digits").Revisions.Length);
    }

    [Fact]
    public async Task Every_mistake_is_told_at_once_with_file_line_and_key()
    {
        var file = File(
            """
            endpoints:
              digits:
                source: digits
                memroy: 1GiB
                concurrency: many
                public: perhaps
              iris:
                memory: 1GiB
                traffic: { r1: 50, two: 50 }
              bad: 3
            endpionts: {}
            """);

        var result = await Shell.RunAsync("apply", "-f", file);

        Assert.Equal(ExitCodes.Refused, result.Code);
        string[] expected =
        [
            $"{file}:4: endpoints.digits.memroy: Unknown key. Did you mean 'memory'?",
            $"{file}:5: endpoints.digits.concurrency: A whole number, 'auto' or 'unlimited' is needed here. It is 'many'.",
            $"{file}:6: endpoints.digits.public: true or false is needed here. It is 'perhaps'.",
            $"{file}:9: endpoints.iris.traffic.two: This is no revision; write it like r3.",
            $"{file}:9: endpoints.iris.traffic: The weights sum to 50; they must sum to 100.",
            $"{file}:8: endpoints.iris.source: Missing: name the model's file, folder or https address.",
            $"{file}:10: endpoints.bad: A mapping (key: value) is needed here.",
            $"{file}:11: endpionts: Unknown key. Did you mean 'endpoints'?",
        ];
        Assert.All(expected, line => Assert.Contains(line, result.Error, StringComparison.Ordinal));
        Assert.Empty(Server.Requests);
    }

    [Theory]
    [InlineData("apply")]
    [InlineData("diff")]
    public async Task Mistakes_of_every_entry_are_found_before_anything_is_changed(string command)
    {
        Shell.Write("empty/readme.md", "no model");
        Shell.Write("odd/model.onnx", "model");
        Shell.Write("odd/signature.yaml", "labels: { top: none }");
        Directory.CreateDirectory(Path.Combine(Shell.Folder, "hollow"));
        var file = File(
            """
            endpoints:
              digits:
                source: digits
              lost:
                source: nowhere.onnx
              Bad_Name:
                source: digits
              broken:
                source: digits
                memory: a lot
                cpu: 0
                timeout: 2 fortnights
                min_instances: 5
                max_instances: 2
                env: { 1A: x }
                signature: missing.yaml
                traffic: { r1: 2000000000, r2: 2000000000 }
              small:
                source: hollow
                memory: 1MiB
                signature: { labels: { topp: 1 } }
              odd:
                source: odd
            """);

        var result = await Shell.RunAsync(command, "-f", file);

        Assert.Equal(ExitCodes.Refused, result.Code);
        string[] expected =
        [
            $"{file}:5: endpoints.lost.source: There is no file or folder '{Shell.Folder}/nowhere.onnx'.",
            $"{file}:6: endpoints.Bad_Name: The name 'Bad_Name' may hold only a-z, 0-9 and '-'; it holds",
            $"{file}:10: endpoints.broken.memory: memory is 'a lot'; allowed is",
            $"{file}:11: endpoints.broken.cpu: cpu is 0; a number from 0.1 to the machine's cores is needed.",
            $"{file}:12: endpoints.broken.timeout: timeout is '2 fortnights'; allowed is",
            $"{file}:13: endpoints.broken.min_instances: min_instances is 5; allowed are 0 to max_instances, which is 2.",
            $"{file}:15: endpoints.broken.env: environment has the name '1A'",
            $"{file}:16: endpoints.broken.signature: There is no file '{Shell.Folder}/missing.yaml'.",
            $"{file}:17: endpoints.broken.traffic: The weights sum to 4000000000; they must sum to 100.",
            $"{file}:19: endpoints.small.source: '{Shell.Folder}/hollow' holds no file.",
            $"{file}:20: endpoints.small.memory: memory is 1MiB; at least 64MiB",
            $"{file}:21: endpoints.small.signature: The signature cannot be read",
            $"{file}:23: endpoints.odd.source: {Shell.Folder}/odd/signature.yaml: The signature cannot be read",
        ];
        var lines = result.Error["error: ".Length..].Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(expected.Length, lines.Length);
        Assert.All(expected.Zip(lines), pair => Assert.StartsWith(pair.First, pair.Second, StringComparison.Ordinal));
        Assert.Empty(Server.Requests);
    }

    [Theory]
    [InlineData("apply")]
    [InlineData("diff")]
    public async Task What_only_the_server_and_the_network_know_is_found_before_anything_is_changed_too(string command)
    {
        (await Shell.RunAsync("apply", "-f", File("endpoints: { digits: { source: digits } }"))).Done();
        var uploaded = Server.UploadedBytes;
        Shell.Write("new/model.onnx", "new model");

        var far = await Shell.RunAsync(command, "-f", File($"endpoints:\n  new: {{ source: new }}\n  far: {{ source: '{Server.Address}invoke/none/model.onnx' }}\n"));
        var weights = await Shell.RunAsync(
            command, "-f", File("endpoints:\n  new:\n    source: new\n    traffic: { r2: 100 }\n  digits:\n    source: digits\n    traffic: { r1: 50, r7: 50 }\n"));

        Assert.Equal((ExitCodes.Refused, ExitCodes.Refused), (far.Code, weights.Code));
        Assert.Contains("dormouse.yaml:3: endpoints.far.source: ", far.Error, StringComparison.Ordinal);
        Assert.Contains("dormouse.yaml:4: endpoints.new.traffic: r2: There is no such revision; the endpoint is new.", weights.Error, StringComparison.Ordinal);
        Assert.Contains("dormouse.yaml:7: endpoints.digits.traffic: r7: There is no such revision; the newest are r1.", weights.Error, StringComparison.Ordinal);
        Assert.Equal(uploaded, Server.UploadedBytes);
        Assert.DoesNotContain(Server.Requests, r => r.StartsWith("POST /api/v1/endpoints/new", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_weight_of_0_is_the_same_as_none()
    {
        (await Shell.RunAsync("apply", "-f", File("endpoints: { digits: { source: digits } }"))).Done();
        (await Shell.RunAsync("deploy", Path.Combine(Shell.Folder, "digits"))).Done();

        (await Shell.RunAsync("diff", "-f", File("endpoints: { digits: { source: digits, traffic: { r1: 0, r2: 100 } } }"))).Done();
    }

    [Theory]
    [InlineData("{}", "dormouse.yaml:1: endpoints: Missing: name the endpoints under it.")]
    [InlineData("a: 1\nendpoints: [x\n", "dormouse.yaml:3: ")]
    [InlineData("", "0 YAML documents")]
    [InlineData("a: 1\n---\nb: 2\n", "2 YAML documents")]
    public async Task A_file_that_is_no_YAML_is_refused(string text, string sentence)
    {
        var result = await Shell.RunAsync("apply", "-f", File(text));

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains(sentence, result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task New_versions_of_a_Triton_folder_are_added_and_known_ones_are_not_made_again()
    {
        Shell.Write("resnet/1/model.onnx", "one");
        var file = File("endpoints: { resnet: { source: resnet } }");
        (await Shell.RunAsync("apply", "-f", file)).Done();
        Shell.Write("resnet/2/model.onnx", "two");

        (await Shell.RunAsync("apply", "-f", file)).Done();
        (await Shell.RunAsync("diff", "-f", file)).Done();

        Assert.Equal(2, Server.Endpoint("resnet").Revisions.Length);
    }

    [Fact]
    public async Task Json_output_lists_what_was_done()
    {
        var file = File("endpoints: { digits: { source: digits } }");

        var result = (await Shell.RunAsync("apply", "-f", file, "-o", "json")).Done();

        var change = result.Json.GetProperty("endpoints")[0];
        Assert.Equal(("digits", "create", "r1"), (change.GetProperty("name").GetString(), change.GetProperty("actions")[0].GetString(), change.GetProperty("revision").GetString()));
    }

    private string File(string text) => Shell.Write("dormouse.yaml", text);
}
