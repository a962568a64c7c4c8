using System.Collections.Immutable;
using System.Globalization;
using Dormouse.Core.Endpoints;

namespace Dormouse.Storage.Sql;

/// <summary>Traffic as text: <c>3=90,4=10</c>; empty for none.</summary>
internal static class TrafficText
{
    public static string Write(ImmutableArray<TrafficShare> traffic) =>
        string.Join(',', traffic.Select(s => string.Create(CultureInfo.InvariantCulture, $"{s.Revision}={s.Weight}")));

    public static ImmutableArray<TrafficShare> Read(string text)
    {
        if (text.Length == 0)
        {
            return [];
        }

        var shares = ImmutableArray.CreateBuilder<TrafficShare>(1);
        var span = text.AsSpan();
        foreach (var range in span.Split(','))
        {
            var share = span[range];
            var equals = share.IndexOf('=');
            shares.Add(new TrafficShare(
                int.Parse(share[..equals], CultureInfo.InvariantCulture),
                int.Parse(share[(equals + 1)..], CultureInfo.InvariantCulture)));
        }

        return shares.ToImmutable();
    }
}
