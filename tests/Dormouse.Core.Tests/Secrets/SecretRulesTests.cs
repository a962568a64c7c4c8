using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Secrets;

namespace Dormouse.Core.Tests.Secrets;

public sealed class SecretRulesTests
{
    private static readonly MachineFacts Machine = new(4, 8192);

    [Theory]
    [InlineData("API_TOKEN", true)]
    [InlineData("service-account.json", true)]
    [InlineData("_a", true)]
    [InlineData("", false)]
    [InlineData("1a", false)]
    [InlineData("..", false)]
    [InlineData("a/b", false)]
    [InlineData("a b", false)]
    [InlineData("ä", false)]
    public void Names_are_words_that_can_be_files_too(string name, bool isAllowed) => Assert.Equal(isAllowed, SecretRules.NameRefusal(name) is null);

    [Theory]
    [InlineData("TOKEN", "TOKEN", "TOKEN")]
    [InlineData("VAR=name", "VAR", "name")]
    public void A_secret_is_a_variable_of_its_own_name_or_another(string text, string variable, string name) => Assert.Equal((variable, name), SecretRules.Parse(text));

    [Fact]
    public void A_spec_names_its_secrets_and_describes_them_again()
    {
        var wishes = Function() with { Secrets = Map(("TOKEN", "token"), ("OTHER", "token")), SecretFiles = Map(("key.pem", "tls-key")) };

        var spec = Assert.IsType<SpecOutcome.Accepted>(SpecRules.Apply(wishes, Machine)).Spec;

        Assert.Equal(["tls-key", "token"], SecretRules.NamesOf(spec));
        var again = SpecRules.Describe(spec);
        Assert.Equal(("token", "tls-key"), (again.Secrets!["TOKEN"], again.SecretFiles!["key.pem"]));
    }

    [Theory]
    [InlineData("secrets", "DORMOUSE_X", "token", "DORMOUSE_X")]
    [InlineData("secrets", "my-token", "my-token", "my-token")]
    [InlineData("secrets", "TOKEN", "a/b", "a/b")]
    [InlineData("secrets", "MODE", "token", "environment sets too")]
    [InlineData("secret_files", "../x", "token", "../x")]
    [InlineData("secret_files", "x", "", "''")]
    public void What_cannot_be_is_refused_by_setting_and_name(string setting, string target, string name, string shown)
    {
        var wishes = Function() with { Environment = Map(("MODE", "fast")) };
        wishes = setting == "secrets" ? wishes with { Secrets = Map((target, name)) } : wishes with { SecretFiles = Map((target, name)) };

        var error = Assert.Single(Assert.IsType<SpecOutcome.Refused>(SpecRules.Apply(wishes, Machine)).Errors);

        Assert.Equal(setting, error.Setting);
        Assert.Contains(shown, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_has_none()
    {
        var error = Assert.Single(Assert.IsType<SpecOutcome.Refused>(SpecRules.Apply(new RevisionWishes { Secrets = Map(("A", "a")) }, Machine)).Errors);

        Assert.Contains("a model reads no secrets", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_stamp_changes_with_every_value_and_name_and_nothing_of_them_is_printed()
    {
        var one = new InstanceSecrets([Value("A", "first-value")], []);

        Assert.Equal(one.Stamp, new InstanceSecrets([Value("A", "first-value")], []).Stamp);
        Assert.NotEqual(one.Stamp, new InstanceSecrets([Value("A", "other-value")], []).Stamp);
        Assert.NotEqual(one.Stamp, new InstanceSecrets([Value("B", "first-value")], []).Stamp);
        Assert.NotEqual(one.Stamp, new InstanceSecrets([], [Value("A", "first-value")]).Stamp);
        Assert.True(InstanceSecrets.None.IsEmpty);
        Assert.DoesNotContain("first", one.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("first", new OpenedSecret.Value { Name = "A", Bytes = [.. "first-value"u8] }.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Bytes_that_are_no_text_are_for_files_only()
    {
        Assert.Null(InstanceSecrets.VariableRefusal("A", "a", "grüße"u8));
        Assert.Contains("--secret-file a=a", InstanceSecrets.VariableRefusal("A", "a", [0xFF, 0xFE]), StringComparison.Ordinal);
        Assert.Contains("NUL", InstanceSecrets.VariableRefusal("A", "a", [65, 0]), StringComparison.Ordinal);
    }

    private static RevisionWishes Function() => new() { Runtime = RuntimeKind.Python.Name };

    private static KeyValuePair<string, ImmutableArray<byte>> Value(string name, string value) => KeyValuePair.Create(name, System.Text.Encoding.UTF8.GetBytes(value).ToImmutableArray());

    private static ImmutableSortedDictionary<string, string> Map(params (string Key, string Value)[] entries) =>
        entries.ToImmutableSortedDictionary(e => e.Key, e => e.Value, StringComparer.Ordinal);
}
