namespace Gatehouse.Admin; internal static class Placeholder;
