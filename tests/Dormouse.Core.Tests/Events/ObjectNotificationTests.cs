using System.Text;
using Dormouse.Core.Events;

namespace Dormouse.Core.Tests.Events;

/// <summary>Notifications as S3 and MinIO document them.</summary>
public sealed class ObjectNotificationTests
{
    [Fact]
    public void An_event_of_s3_has_its_decoded_key()
    {
        var created = Assert.Single(Read(
            """
            {"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-west-2","eventTime":"1970-01-01T00:00:00.000Z","eventName":"ObjectCreated:Put",
            "userIdentity":{"principalId":"AIDAJDPLRKLG7UEXAMPLE"},"requestParameters":{"sourceIPAddress":"127.0.0.1"},"responseElements":{"x-amz-request-id":"C3D13FE58DE4C810"},
            "s3":{"s3SchemaVersion":"1.0","configurationId":"testConfigRule","bucket":{"name":"amzn-s3-demo-bucket","ownerIdentity":{"principalId":"A3NL1KOZZKExample"},"arn":"arn:aws:s3:::amzn-s3-demo-bucket"},
            "object":{"key":"My+Pictures/Happy%2BFace%C3%BC.jpg","size":1024,"eTag":"d41d8cd98f00b204e9800998ecf8427e","versionId":"096fKKXTRTtl3on89fVO.nfljtsv6qko","sequencer":"0055AED6DCD90281E5"}}}]}
            """)!.Value);

        Assert.Equal(
            ("amzn-s3-demo-bucket", "My Pictures/Happy+Faceü.jpg", 1024L, "d41d8cd98f00b204e9800998ecf8427e", "0055AED6DCD90281E5"),
            (created.Bucket, created.Key, created.Size, created.ETag, created.Sequence));
        Assert.Equal(DateTimeOffset.UnixEpoch, created.Time);
    }

    [Fact]
    public void An_event_of_minio_has_another_name()
    {
        var created = Assert.Single(Read(
            """
            {"EventName":"s3:ObjectCreated:CompleteMultipartUpload","Key":"images/myphoto.jpg","Records":[{"eventVersion":"2.0","eventSource":"minio:s3","awsRegion":"","eventTime":"2019-10-08T18:42:30Z",
            "eventName":"s3:ObjectCreated:CompleteMultipartUpload","s3":{"s3SchemaVersion":"1.0","configurationId":"Config","bucket":{"name":"images","arn":"arn:aws:s3:::images"},
            "object":{"key":"my%2Fphoto.jpg","size":6474,"eTag":"a3410f4f8788b510d6f19c5067e60a90","contentType":"image/jpeg","sequencer":"15CBC5C30DEB7E0A"}}}]}
            """)!.Value);

        Assert.Equal(("images", "my/photo.jpg"), (created.Bucket, created.Key));
    }

    [Theory]
    [InlineData("""{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2014-10-13T15:57:02.089Z","Bucket":"b","RequestId":"1","HostId":"2"}""")]
    [InlineData("""{"Records":[]}""")]
    [InlineData("""{"Records":[{"eventName":"ObjectRemoved:Delete","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}""")]
    public void Others_are_none(string text) => Assert.Empty(Read(text)!.Value);

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"Records":7}""")]
    [InlineData("""{"Records":[7]}""")]
    [InlineData("""{"Records":[{"eventName":"ObjectCreated:Put"}]}""")]
    [InlineData("""{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{}}}]}""")]
    [InlineData("""{"Type":"Notification","Message":"no json"}""")]
    public void What_is_none_is_refused(string text) => Assert.Null(Read(text));

    [Fact]
    public void A_notification_of_sns_holds_it_as_a_text() => Assert.Single(
        Read("""{"Type":"Notification","Message":"{\"Records\":[{\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"bucket\":{\"name\":\"b\"},\"object\":{\"key\":\"k\"}}}]}"}""")!.Value);

    private static System.Collections.Immutable.ImmutableArray<ObjectCreated>? Read(string text) => ObjectNotification.Read(Encoding.UTF8.GetBytes(text));
}
