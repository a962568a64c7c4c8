using System.Text;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Secrets;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Errors;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Secrets;

/// <summary><c>/api/v1/secrets</c>. No answer holds a value.</summary>
internal sealed partial class SecretsApi(ISecretStore store, SecretViews views, TimeProvider time, ILogger<SecretsApi> logger)
{
    public async Task ListAsync(ControlCall call) => await JsonBody.WriteAsync(
        call.Http, new SecretList([.. (await store.ListAsync(call.Tenant, call.Cancellation)).Select(views.Info)]), ControlJson.Default.SecretList);

    public async Task PutAsync(ControlCall call)
    {
        if (await JsonBody.ReadAsync(call.Http, ControlJson.Default.SecretRequest) is not { } request)
        {
            return;
        }

        var name = call.Route("name");
        if (SecretRules.NameRefusal(name) is { } badName)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.NameInvalid, badName);
            return;
        }

        if (Value(request, out var refusal) is not { } value)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, refusal);
            return;
        }

        // To the microsecond, as it is stored.
        var now = time.GetUtcNow();
        now = now.AddTicks(-(now.Ticks % TimeSpan.TicksPerMicrosecond));
        try
        {
            if (!await store.SetAsync(call.Tenant, name, value, now, call.Cancellation))
            {
                await Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, $"There are {SecretRules.SecretsMax} secrets already; allowed are no more. Delete some: 'dormouse secret list' shows them.");
                return;
            }
        }
        catch (SealingException e)
        {
            LogNotSealed(e, name);
            await Problems.WriteAsync(call.Http, ProblemCode.SecretUnreadable, $"The secret '{name}' cannot be kept: the server's key file cannot be used, or is not the one that sealed the other secrets. The server's log names the file.");
            return;
        }

        LogSet(name, call.Tenant.Value);
        await JsonBody.WriteAsync(call.Http, views.Info(new Secret(call.Tenant, name, now, "")), ControlJson.Default.SecretInfo);
    }

    public async Task DeleteAsync(ControlCall call)
    {
        var name = call.Route("name");
        if (await call.FlagAsync("force", fallback: false) is not { } force)
        {
            return;
        }

        if (!(await store.ListAsync(call.Tenant, call.Cancellation)).Any(s => s.Name == name))
        {
            await NotFoundAsync(call, name);
            return;
        }

        if (!force && views.UsedBy(call.Tenant, name, default) is [var use, .. var others])
        {
            await Problems.WriteAsync(
                call.Http, ProblemCode.SecretInUse,
                $"{use.Endpoint} {use.Revision}{(others.Length == 0 ? "" : $" and {others.Length} more")} with traffic {(others.Length == 0 ? "names" : "name")} the secret '{name}': without it no instance can start. Deploy without it first, or add --force.");
            return;
        }

        if (await store.RemoveAsync(call.Tenant, name, call.Cancellation))
        {
            LogDeleted(name, call.Tenant.Value);
            call.Http.Response.StatusCode = StatusCodes.Status204NoContent;
            return;
        }

        await NotFoundAsync(call, name);
    }

    private static Task NotFoundAsync(ControlCall call, string name) =>
        Problems.WriteAsync(call.Http, ProblemCode.SecretNotFound, $"There is no secret '{ShownText.Of(name)}'; 'dormouse secret list' shows those that there are.");

    /// <summary>Null when it is none; the refusal never shows it.</summary>
    private static byte[]? Value(SecretRequest request, out string refusal)
    {
        refusal = $"A secret needs one of 'value' (text) and 'base64'; allowed are 1 to {SecretRules.ValueBytesMax} bytes.";
        byte[]? value = (request.Value, request.Base64) switch
        {
            ({ } text, null) => Encoding.UTF8.GetBytes(text),
            (null, { } encoded) => FromBase64(encoded),
            _ => null,
        };
        if (value is { Length: > 0 and <= SecretRules.ValueBytesMax })
        {
            return value;
        }

        refusal = value is null ? refusal : $"The value has {value.Length} bytes; allowed are 1 to {SecretRules.ValueBytesMax}.";
        return null;
    }

    private static byte[]? FromBase64(string encoded)
    {
        var bytes = new byte[(encoded.Length / 4 * 3) + 3];
        return Convert.TryFromBase64String(encoded, bytes, out var length) ? bytes[..length] : null;
    }

    [LoggerMessage(EventId = 4602, EventName = "SecretSet", Level = LogLevel.Information, Message = "Secret {Name} of tenant {Tenant} is set; instances that start from now on get it")]
    private partial void LogSet(string name, string tenant);

    [LoggerMessage(EventId = 4603, EventName = "SecretDeleted", Level = LogLevel.Information, Message = "Secret {Name} of tenant {Tenant} is deleted")]
    private partial void LogDeleted(string name, string tenant);

    [LoggerMessage(EventId = 4604, EventName = "SecretNotSealed", Level = LogLevel.Error, Message = "Secret {Name} cannot be sealed")]
    private partial void LogNotSealed(Exception exception, string name);
}
