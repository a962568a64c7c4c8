using System.Security.Cryptography;
using System.Text;
using CsCheck;
using Dormouse.Core.Access;

namespace Dormouse.Core.Tests.Access;

public sealed class KeyFormatTests
{
    private const string Secret = "abcdefghijklmnopqrstuvwxyz234567";

    [Fact]
    public void Known_bytes_make_a_known_key()
    {
        var bytes = new byte[KeyFormat.RandomLength];
        "foobar"u8.CopyTo(bytes.AsSpan(8));

        var key = KeyFormat.Make(bytes);

        Assert.Equal("aaaaaaaaaaaa", key.Id);
        Assert.StartsWith("mzxw6ytboi", key.Secret, StringComparison.Ordinal); // RFC 4648: BASE32("foobar") = MZXW6YTBOI
        Assert.Equal(52, key.Secret.Length);
        Assert.Equal($"dm_{key.Id}_{key.Secret}", key.Text);
    }

    [Fact]
    public void Every_made_key_is_read_back_and_matches_its_own_hash_only() =>
        Gen.Select(Gen.Byte.Array[KeyFormat.RandomLength], Gen.Int[0, 51]).Sample((bytes, position) =>
        {
            var key = KeyFormat.Make(bytes);

            Assert.True(KeyFormat.TryParse(key.Text, out var id, out var secret));
            Assert.Equal(key.Id, id.ToString());
            Assert.Equal(key.Secret, secret.ToString());
            var hash = KeyFormat.Hash(secret);
            Assert.True(KeyFormat.Matches(secret, hash.AsSpan()));
            var other = key.Secret.ToCharArray();
            other[position] = other[position] == 'a' ? 'b' : 'a';
            Assert.False(KeyFormat.Matches(other, hash.AsSpan()));
        });

    [Fact]
    public void The_stored_hash_is_the_plain_sha_256_of_the_secret() =>
        Assert.Equal(SHA256.HashData(Encoding.ASCII.GetBytes(Secret)), KeyFormat.Hash(Secret));

    [Fact]
    public void A_hash_of_another_length_never_matches() =>
        Assert.False(KeyFormat.Matches(Secret, KeyFormat.Hash(Secret).AsSpan()[..31]));

    [Theory]
    [InlineData("")]
    [InlineData("dm_")]
    [InlineData("dm_abcdefghijkl")]
    [InlineData("dm_abcdefghijkl_")]
    [InlineData("dm_abcdefghijkl_short")]
    [InlineData("dm_abcdefghijkl_abcdefghijklmnopqrstuvwxyz23456")] // 31
    [InlineData("dm_abcdefghijk_abcdefghijklmnopqrstuvwxyz2345678")]
    [InlineData("dm_ABCDEFGHIJKL_abcdefghijklmnopqrstuvwxyz234567")]
    [InlineData("DM_abcdefghijkl_abcdefghijklmnopqrstuvwxyz234567")]
    [InlineData("dm_abcdefghijkl-abcdefghijklmnopqrstuvwxyz234567")]
    [InlineData("dm_abcdefghijkl_abcdefghijklmnopqrstuvwxyz23456 ")]
    [InlineData("dm_abcdefghijkl_abcdefghijklmnopqrstuvwxyz23456é")]
    [InlineData(" dm_abcdefghijkl_abcdefghijklmnopqrstuvwxyz234567")]
    public void Another_form_is_no_key(string text)
    {
        Assert.False(KeyFormat.TryParse(text, out var id, out var secret));
        Assert.True(id.IsEmpty && secret.IsEmpty);
    }

    [Fact]
    public void A_secret_may_hold_an_underscore_and_has_a_longest_length()
    {
        var longest = new string('_', KeyFormat.SecretLengthMax);

        Assert.True(KeyFormat.TryParse($"dm_abcdefghijkl_{longest}", out _, out var secret));
        Assert.Equal(longest, secret.ToString());
        Assert.False(KeyFormat.TryParse($"dm_abcdefghijkl_{longest}_", out _, out _));
    }

    [Fact]
    public void Too_few_random_bytes_are_refused() =>
        Assert.Throws<ArgumentException>(() => KeyFormat.Make(new byte[KeyFormat.RandomLength - 1]));

    [Fact]
    public void A_chosen_key_has_a_stable_id_of_the_usual_form()
    {
        var id = KeyFormat.ChosenId("correct horse battery staple");

        Assert.Equal(id, KeyFormat.ChosenId("correct horse battery staple"));
        Assert.NotEqual(id, KeyFormat.ChosenId("correct horse battery stapler"));
        Assert.True(KeyFormat.TryParse($"dm_{id}_{Secret}", out _, out _));
    }
}
