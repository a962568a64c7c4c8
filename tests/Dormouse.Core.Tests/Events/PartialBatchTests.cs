using System.Text;
using Dormouse.Core.Events;

namespace Dormouse.Core.Tests.Events;

/// <summary>AWS's rules of partial batch failures, as a table.</summary>
public sealed class PartialBatchTests
{
    [Theory]
    [InlineData("", false, "")]
    [InlineData("  \n", false, "")]
    [InlineData("null", false, "")]
    [InlineData("{}", false, "")]
    [InlineData("""{"batchItemFailures":null}""", false, "")]
    [InlineData("""{"batchItemFailures":[]}""", false, "")]
    [InlineData("""{"batchItemFailures":[{"itemIdentifier":"b"}]}""", false, "b")]
    [InlineData("""{"batchItemFailures":[{"itemIdentifier":"c"},{"itemIdentifier":"a"}]}""", false, "a,c")]
    [InlineData("""{"batchItemFailures":[{"itemIdentifier":"b"}]}""", true, "b,c")]
    [InlineData("""{"batchItemFailures":[]}""", true, "")]
    [InlineData("""{"batchItemFailures":[{"itemIdentifier":""}]}""", false, "a,b,c")]
    [InlineData("""{"batchItemFailures":[{"itemIdentifier":"x"}]}""", false, "a,b,c")]
    [InlineData("""{"batchItemFailures":[{"id":"a"}]}""", false, "a,b,c")]
    [InlineData("""{"batchItemFailures":[7]}""", false, "a,b,c")]
    [InlineData("""{"batchItemFailures":{}}""", false, "a,b,c")]
    [InlineData("no json", false, "a,b,c")]
    [InlineData("[]", false, "a,b,c")]
    public void An_answer_says_which_messages_failed(string answer, bool isOrdered, string failed) =>
        Assert.Equal(failed, string.Join(',', PartialBatch.Failures(Encoding.UTF8.GetBytes(answer), ["a", "b", "c"], isOrdered)));
}
