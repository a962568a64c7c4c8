using System.Buffers;
using System.Text.Json;
using Amazon.SQS.Model;

namespace Dormouse.Brokers.Aws;

/// <summary>Writes messages as functions of AWS Lambda get them in their event's <c>Records</c>.</summary>
internal sealed class SqsRecord(string queue, string region)
{
    public ReadOnlyMemory<byte> Write(Message message)
    {
        var buffer = new ArrayBufferWriter<byte>(512 + (message.Body?.Length ?? 0));
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("messageId", message.MessageId);
        json.WriteString("receiptHandle", message.ReceiptHandle);
        json.WriteString("body", message.Body);
        json.WriteStartObject("attributes");
        foreach (var (name, value) in message.Attributes ?? [])
        {
            json.WriteString(name, value);
        }

        json.WriteEndObject();
        json.WriteStartObject("messageAttributes");
        foreach (var (name, value) in message.MessageAttributes ?? [])
        {
            json.WriteStartObject(name);
            if (value.BinaryValue is { } bytes)
            {
                json.WriteBase64String("binaryValue", bytes.ToArray());
            }
            else
            {
                json.WriteString("stringValue", value.StringValue);
            }

            json.WriteString("dataType", value.DataType);
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteString("md5OfBody", message.MD5OfBody);
        json.WriteString("eventSource", "aws:sqs");
        json.WriteString("eventSourceARN", Arn());
        json.WriteString("awsRegion", region);
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenMemory;
    }

    /// <summary>A queue's URL ends with its account and its name.</summary>
    private string Arn() => queue.Split('/') is [.., var account, var name] ? $"arn:aws:sqs:{region}:{account}:{name}" : "";
}
