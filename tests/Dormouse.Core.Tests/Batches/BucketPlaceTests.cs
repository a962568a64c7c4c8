using Dormouse.Core.Batches;

namespace Dormouse.Core.Tests.Batches;

public sealed class BucketPlaceTests
{
    [Theory]
    [InlineData("s3://data", "data", "")]
    [InlineData("s3://data/", "data", "")]
    [InlineData("s3://data/in/a b.csv", "data", "in/a b.csv")]
    public void A_place_is_a_bucket_and_a_key(string text, string bucket, string key) => Assert.Equal(new BucketPlace(bucket, key), BucketPlace.Parse(text));

    [Theory]
    [InlineData("data/in")]
    [InlineData("s3:/data/in")]
    [InlineData("s3://")]
    [InlineData("s3://ab/in")]
    [InlineData("s3://Data/in")]
    [InlineData("https://data/in")]
    public void Anything_else_is_none(string text) => Assert.Null(BucketPlace.Parse(text));

    [Theory]
    [InlineData("s3://data/in", true)]
    [InlineData("s3://data/in/", true)]
    [InlineData("s3://data/in/a/b", true)]
    [InlineData("s3://data/in2", false)]
    [InlineData("s3://data/i", false)]
    [InlineData("s3://data/", false)]
    [InlineData("s3://other/in", false)]
    [InlineData("s3://whole/anything", true)]
    public void Below_a_place_is_what_a_slash_divides(string text, bool expected) =>
        Assert.Equal(expected, BucketPlace.Parse(text)!.Value.IsWithin([new("data", "in/"), new("whole", "")])); // All of them are places.
}
