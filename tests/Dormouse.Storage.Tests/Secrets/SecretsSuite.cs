using System.Collections.Immutable;
using System.Text;
using CsCheck;
using Dormouse.Core.Destinations;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Secrets;
using Dormouse.Storage.Sealing;
using Dormouse.Storage.Tests.Support;

namespace Dormouse.Storage.Tests.Secrets;

/// <summary>Secrets on either store: what generated operations show, and what lies in the database.</summary>
public abstract class SecretsSuite : StoreTests
{
    private static readonly TenantId Other = new("acme");

    private static readonly Gen<(int Kind, int Tenant, int Name, string Value)[]> Steps =
        Gen.Select(Gen.Int[0, 5], Gen.Int[0, 1], Gen.Int[0, 3], Gen.String[Gen.Char.AlphaNumeric, 1, 40], (kind, tenant, name, value) => (kind, tenant, name, value)).Array[1, 30];

    [Fact]
    public async Task Any_sequence_of_operations_shows_the_same_as_a_model()
    {
        await Steps.SampleAsync(
            async steps =>
            {
                await using var store = await StoreUnderTest.OpenAsync(await NewAddressAsync());
                var model = new Dictionary<(TenantId, string), (string Value, DateTimeOffset At)>();
                for (var i = 0; i < steps.Length; i++)
                {
                    var (tenant, name, at) = (steps[i].Tenant == 0 ? TenantId.Default : Other, "S" + steps[i].Name, Samples.Noon.AddSeconds(i));
                    if (steps[i].Kind < 3)
                    {
                        Assert.True(await store.Secrets.SetAsync(tenant, name, Encoding.UTF8.GetBytes(steps[i].Value), at, Cancellation));
                        model[(tenant, name)] = (steps[i].Value, at);
                    }
                    else if (steps[i].Kind == 3)
                    {
                        Assert.Equal(model.Remove((tenant, name)), await store.Secrets.RemoveAsync(tenant, name, Cancellation));
                    }
                    else if (steps[i].Kind == 4)
                    {
                        await store.ReopenAsync();
                    }

                    Assert.Equal(
                        model.Where(e => e.Key.Item1 == tenant).Select(e => (e.Key.Item2, e.Value.At)).Order(),
                        (await store.Secrets.ListAsync(tenant, Cancellation)).Select(s => (s.Name, s.SetAt)));
                    var opened = await store.Secrets.OpenAsync(tenant, ["S0", "S1", "S2", "S3"], Cancellation);
                    Assert.Equal(
                        Enumerable.Range(0, 4).Select(n => model.TryGetValue((tenant, "S" + n), out var kept) ? kept.Value : null),
                        opened.Select(o => o is OpenedSecret.Value value ? Encoding.UTF8.GetString(value.Bytes.AsSpan()) : null));
                }
            },
            iter: 20, threads: 1);
    }

    [Fact]
    public async Task Another_key_file_opens_nothing_and_says_which_file_and_seals_nothing_either()
    {
        await SetAsync("TOKEN");
        var path = Path.Combine(Folder.Data, "secrets.key");
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        var key = await File.ReadAllTextAsync(path, Cancellation);

        await File.WriteAllTextAsync(path, Convert.ToBase64String(new byte[32]), Cancellation);
        await using (var wrong = await Folder.OpenAsync())
        {
            var reason = Assert.IsType<OpenedSecret.Unreadable>(Assert.Single(await wrong.Secrets.OpenAsync(TenantId.Default, ["TOKEN"], Cancellation))).Reason;
            Assert.Contains("'TOKEN'", reason, StringComparison.Ordinal);
            Assert.Contains(path, reason, StringComparison.Ordinal);
            Assert.Equal(reason, Assert.Single(await wrong.Secrets.ListAsync(TenantId.Default, Cancellation)).Fault);
            var refused = await Assert.ThrowsAsync<SealingException>(() => wrong.Secrets.SetAsync(TenantId.Default, "NEW", "value"u8.ToArray(), Samples.Noon, Cancellation));
            Assert.Contains(path, refused.Message, StringComparison.Ordinal);
        }

        // A new key above the old one seals, and the old one still opens.
        await File.WriteAllTextAsync(path, Convert.ToBase64String(new byte[32]) + "\n" + key, Cancellation);
        await using var rotated = await Folder.OpenAsync();
        await rotated.Secrets.SetAsync(TenantId.Default, "NEW", "value"u8.ToArray(), Samples.Noon, Cancellation);
        Assert.All(await rotated.Secrets.OpenAsync(TenantId.Default, ["TOKEN", "NEW"], Cancellation), o => Assert.IsType<OpenedSecret.Value>(o));
        Assert.Equal(2, (await rotated.Secrets.ListAsync(TenantId.Default, Cancellation)).Select(s => s.KeyId).Distinct().Count());
    }

    [Fact]
    public async Task Without_its_key_file_a_database_with_secrets_makes_no_new_one()
    {
        await SetAsync("TOKEN");
        var path = Path.Combine(Folder.Data, "secrets.key");
        File.Delete(path);

        await using var bare = await Folder.OpenAsync();
        var refused = await Assert.ThrowsAsync<SealingException>(() => bare.Secrets.SetAsync(TenantId.Default, "NEW", "value"u8.ToArray(), Samples.Noon, Cancellation));

        Assert.Contains("does not exist", refused.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(path));
    }

    [Fact]
    public async Task The_secret_of_a_destination_is_sealed_and_with_another_key_nothing_but_its_rotation_changes_it()
    {
        ImmutableArray<byte> secret = [.. "0123456789abcdef01234567"u8];
        await using (var storage = await Folder.OpenAsync())
        {
            await storage.Destinations.AddAsync(new Destination(TenantId.Default, "good", "http://example.com/", DestinationForm.Webhook, secret, Samples.Noon), Cancellation);
            await storage.Destinations.ChangeAsync(TenantId.Default, "good", d => d.Rotated([.. "another-secret-of-24-byte"u8], Samples.Noon.AddDays(1)), Cancellation);
            var found = await storage.Destinations.FindAsync(TenantId.Default, "good", Cancellation);
            Assert.Equal((true, true, null), (found!.OldSecret.SequenceEqual(secret), found.Secret.SequenceEqual("another-secret-of-24-byte"u8.ToArray()), found.SecretFault));
        }

        var path = Path.Combine(Folder.Data, "secrets.key");
        var key = await File.ReadAllBytesAsync(path, Cancellation);

        await File.WriteAllTextAsync(path, Convert.ToBase64String(new byte[32]), Cancellation);
        await using (var wrong = await Folder.OpenAsync())
        {
            var sealedOff = await wrong.Destinations.ChangeAsync(TenantId.Default, "good", d => d with { DisabledReason = "gone" }, Cancellation);
            Assert.Contains(path, sealedOff!.SecretFault, StringComparison.Ordinal);
            Assert.Empty(sealedOff.Secret);
        }

        await File.WriteAllBytesAsync(path, key, Cancellation);
        await using var right = await Folder.OpenAsync();
        var again = await right.Destinations.FindAsync(TenantId.Default, "good", Cancellation);
        Assert.Equal(("gone", true), (again!.DisabledReason, again.OldSecret.SequenceEqual(secret)));
    }

    [Fact]
    public async Task A_destination_of_an_earlier_version_is_readable_and_sealed_once_it_was_looked_at()
    {
        const string Plain = "SELECT COUNT(*) FROM destinations WHERE length(secret) = 24";
        ImmutableArray<byte> secret = [.. "0123456789abcdef01234567"u8];
        await using (var storage = await Folder.OpenAsync())
        {
            await storage.Destinations.AddAsync(new Destination(TenantId.Default, "good", "http://example.com/", DestinationForm.Webhook, secret, Samples.Noon), Cancellation);
        }

        Assert.Equal(0, Count(Plain));
        Execute(Folder.Options.Postgres is null
            ? "UPDATE destinations SET secret = CAST('0123456789abcdef01234567' AS BLOB)"
            : "UPDATE destinations SET secret = convert_to('0123456789abcdef01234567', 'UTF8')");
        Assert.Equal(1, Count(Plain));
        await using (var storage = await Folder.OpenAsync())
        {
            Assert.True((await storage.Destinations.FindAsync(TenantId.Default, "good", Cancellation))!.Secret.SequenceEqual(secret));
        }

        Assert.Equal(0, Count(Plain));
    }

    [Fact]
    public void What_was_sealed_for_one_name_does_not_open_for_another()
    {
        var key = SealingKey.Of(new byte[32]);
        var made = SealedValue.Make(key, Sealer.OwnerOfSecret("default", "A"), "value"u8);

        Assert.Equal("value"u8.ToArray(), SealedValue.Open(key, Sealer.OwnerOfSecret("default", "A"), made));
        Assert.Throws<System.Security.Cryptography.AuthenticationTagMismatchException>(() => SealedValue.Open(key, Sealer.OwnerOfSecret("default", "B"), made));
        Assert.NotEqual(made, SealedValue.Make(key, Sealer.OwnerOfSecret("default", "A"), "value"u8));
        // A plain secret of a destination has at most 64 bytes: by its length alone it is told from a sealed one.
        Assert.True(SealedValue.OverheadBytes + Destination.SecretBytesMin > Destination.SecretBytesMax);
    }

    private async Task SetAsync(string name)
    {
        await using var storage = await Folder.OpenAsync();
        await storage.Secrets.SetAsync(TenantId.Default, name, "hunter2-hunter2"u8.ToArray(), Samples.Noon, Cancellation);
    }
}
