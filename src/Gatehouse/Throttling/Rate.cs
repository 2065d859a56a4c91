using System.Globalization;

namespace Gatehouse.Throttling;

/// <summary>How many requests in which time, as DRF writes it: <c>100/day</c>, <c>3/min</c>, <c>10/s</c>.</summary>
/// <param name="Requests">At most this many.</param>
/// <param name="Period">In any such time.</param>
public readonly record struct Rate(int Requests, TimeSpan Period)
{
    /// <summary>Reads a rate; of the period only the first letter counts: s, m, h, d.</summary>
    /// <exception cref="ArgumentException">It is none; the message says what to write.</exception>
    public static Rate Parse(string text)
    {
        if (text.Split('/') is [var number, { Length: > 0 } period]
            && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var requests))
        {
            var length = period[0] switch
            {
                's' => TimeSpan.FromSeconds(1),
                'm' => TimeSpan.FromMinutes(1),
                'h' => TimeSpan.FromHours(1),
                'd' => TimeSpan.FromDays(1),
                _ => TimeSpan.Zero,
            };
            if (length > TimeSpan.Zero) return new Rate(requests, length);
        }
        throw new ArgumentException($"'{text}' is no rate; write number/period, for example 100/day, with s, m, h or d for the period.");
    }
}
